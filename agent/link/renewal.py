"""The certificate's renewal at two thirds of its life, and the connection that goes with each certificate. Called by
agent.link.control."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.link import identity
from agent.link.channel import Line
from agent.link.endings import Ending
from agent.link.identity import Identity
from protos.muster.v1 import control_pb2 as wire
from protos.muster.v1 import control_pb2_grpc
from workflow.session import LinkDown, Refused

DEADLINE: Final = 30.0
SHORTEST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries."""

log = logging.getLogger("muster.link")


Keep = Callable[[Identity], Awaitable[None]]
"""Keeps an identity elsewhere too. LinkDown where that cannot be done now."""


class Renewal:
    """Holds the present line, and replaces it. The new identity is kept before it is used."""

    def __init__(self, state: Path, first: Identity, keep: Keep | None = None) -> None:
        self._state = state
        self._keep = keep
        self._turn = asyncio.Lock()
        self._old: list[Line] = []
        self.line = Line(first)

    async def close(self) -> None:
        """Cut all connections."""
        for line in (*self._old, self.line):
            await line.cut()

    async def catch_up(self) -> None:
        """Renew now what is overdue, after a long sleep; if that does not work now, the session will try again.
        Refused."""
        if self.line.identity.due_in(time.time()) > 0:
            return
        try:
            await self._renew()
        except LinkDown as problem:
            log.warning("the certificate is overdue and could not be renewed: %s", problem)

    async def wait(self) -> None:
        """Return when the certificate was renewed; tries until it works. Refused."""
        pause = SHORTEST_PAUSE
        await asyncio.sleep(self.line.identity.due_in(time.time()))
        while True:
            try:
                return await self._renew()
            except LinkDown as problem:
                log.warning("the certificate could not be renewed, trying again: %s", problem)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (spreads the tries of many agents)
            pause = min(pause * 2, LONGEST_PAUSE, max(self.line.identity.life / 20, SHORTEST_PAUSE))

    async def _renew(self) -> None:
        """LinkDown, Refused."""
        async with self._turn:
            line = self.line
            key, request = identity.new_key()
            async with line.used():
                call = control_pb2_grpc.SessionsStub(line.channel).Renew(
                    wire.RenewRequest(csr_der=request), timeout=DEADLINE
                )
                async with Ending(call).understood(line.identity):
                    answer = await call
            fresh = _identity(line.identity, key, answer)
            try:
                await asyncio.to_thread(identity.save, self._state, fresh)
            except OSError as problem:
                raise LinkDown(f"the new certificate cannot be kept in {self._state}: {problem.strerror}") from None
            if self._keep is not None:
                await self._keep(fresh)
            log.info("the certificate of agent %s was renewed", fresh.name)
            self.line = Line(fresh)
            self._old = [old for old in (*self._old, line) if old.busy]
            await line.retire()


def _identity(old: Identity, key: str, answer: wire.RenewResponse) -> Identity:
    try:
        chain = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in answer.chain_der]
        roots = answer.roots_pem.decode("ascii")
    except ValueError:
        raise Refused("the control plane's answer is no certificate for this agent's key") from None
    fresh = identity.made(
        server=old.server,
        key=key,
        chain=b"".join(chain).decode(),
        roots=roots,
        received=time.time(),
        life=answer.life_s,
    )
    if fresh.name != old.name:
        raise Refused(f"the control plane gave agent {old.name} a certificate of {fresh.name}")
    return fresh
