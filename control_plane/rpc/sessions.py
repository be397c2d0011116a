"""Sessions of agents. Translates and calls services.sessions; decides nothing but versions.

A stream's own task reads; a second one writes and ends as soon as nothing is to be said: of a thousand sessions nearly
all are idle.

Order of calls: protos/muster/v1/control.proto.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import grpc

from control_plane.rpc.answers import answered
from control_plane.rpc.gate import Context, Gate
from control_plane.rpc.peers import Peer
from control_plane.rpc.services import OpenSession, Sessions, Trust
from control_plane.rpc.together import besides
from protos.codec import session as codec
from protos.codec.checks import WireError
from protos.muster.v1 import control_pb2 as wire
from protos.muster.v1 import control_pb2_grpc
from workflow.session import LANGUAGE, OLDEST_PROTOCOL, PROTOCOL, Hello, Refused

PATIENCE: Final = 10.0
"""Seconds for which a first message is waited for."""


class SessionsHandler(control_pb2_grpc.SessionsServicer):
    """Serves muster.v1.Sessions. ``version``: of this control plane, for people."""

    def __init__(self, gate: Gate, sessions: Sessions, trust: Trust, version: str) -> None:
        self._gate = gate
        self._sessions = sessions
        self._trust = trust
        self._version = version

    async def Open(self, request_iterator: object, context: Context) -> None:  # type: ignore[override]  # noqa: N802
        """Hello, Welcome, then both sides speak until one ends the stream."""
        async with answered(context), self._gate.admitted(context) as peer:
            opened = await self._opened(context, peer)
            try:
                async with besides() as tasks:
                    opened.attend(_Speaker(context, opened, tasks).rung)
                    try:
                        await _listen(context, opened)
                    finally:
                        opened.unattended()
            finally:
                await opened.close()

    async def _opened(self, context: Context, peer: Peer) -> OpenSession:
        """Hello and Welcome were said."""
        hello = await _hello(context)
        protocol = agreed(hello, self._version)
        opened = await self._sessions.open(peer.name, hello)
        try:
            welcome = replace(opened.welcome, protocol=protocol, version=self._version)
            await context.write(codec.encode_control(welcome))
        except BaseException:
            await opened.close()
            raise
        return opened

    async def Renew(self, request: wire.RenewRequest, context: Context) -> wire.RenewResponse:  # noqa: N802
        """A new certificate for the name in the old one."""
        async with answered(context):
            peer = await self._gate.admit(context)
            grant = await self._trust.renew(peer.name, peer.serial, request.csr_der)
        return wire.RenewResponse(chain_der=grant.issued.chain, roots_pem=grant.roots_pem, life_s=grant.life)


async def _hello(context: Context) -> Hello:
    async with asyncio.timeout(PATIENCE):
        message = await context.read()
    if message is grpc.aio.EOF:
        raise WireError("the stream ended before Hello")
    hello = codec.decode_agent(message)
    if not isinstance(hello, Hello):
        raise WireError("a session begins with Hello")
    return hello


def agreed(hello: Hello, version: str) -> int:
    """The newest protocol that both speak. Refused, with both sides' versions, where there is none, or where the
    agent does not know the plans that we make."""
    common = min(PROTOCOL, hello.protocol)
    if common >= max(OLDEST_PROTOCOL, hello.oldest_protocol) and hello.language >= LANGUAGE:
        return common
    older = "agent" if hello.protocol < OLDEST_PROTOCOL or hello.language < LANGUAGE else "control plane"
    raise Refused(
        f"the agent ({hello.agent_version or 'unknown version'}) speaks protocols {hello.oldest_protocol} to "
        f"{hello.protocol} and plans up to version {hello.language}; the control plane ({version}) speaks protocols "
        f"{OLDEST_PROTOCOL} to {PROTOCOL} and makes plans of version {LANGUAGE}: upgrade the {older}"
    )


async def _listen(context: Context, opened: OpenSession) -> None:
    while (message := await context.read()) is not grpc.aio.EOF:
        said = codec.decode_agent(message)
        if isinstance(said, Hello):
            raise WireError("Hello is said once")
        await opened.heard(said)


class _Speaker:
    """Writes what is to be said, in a task that lasts until nothing is."""

    __slots__ = ("_context", "_opened", "_speaks", "_tasks")

    def __init__(self, context: Context, opened: OpenSession, tasks: asyncio.TaskGroup) -> None:
        self._context = context
        self._opened = opened
        self._tasks = tasks
        self._speaks = False

    def rung(self) -> None:
        """Something is to be said, or the session is over."""
        if not self._speaks:
            self._speaks = True
            self._tasks.create_task(self._speak())

    async def _speak(self) -> None:
        try:
            while (message := self._opened.next()) is not None:
                await self._context.write(codec.encode_control(message))
        finally:
            self._speaks = False
