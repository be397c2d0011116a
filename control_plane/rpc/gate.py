"""Who gets in, and who is thrown out. Called by every handler before anything else.

An agent is admitted by its certificate's name and serial, on each call. A stream lasts no longer than that serial is
in force: it is cut at once by the signal ``trust/<name>``, and within LOOK_AGAIN seconds should the signal be lost.
One task (``run``) sees to all streams, since thousands of them wait at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc

from control_plane.ports.clock import Clock
from control_plane.ports.signals import Signals
from control_plane.ports.store import Unavailable
from control_plane.rpc.peers import Peer, Stranger, peer_of
from control_plane.rpc.services import Trust
from workflow.session import Refused

log = logging.getLogger("muster.rpc")

LOOK_AGAIN: Final = 30.0
"""Seconds after which a stream's certificate has been looked up again."""
TICK: Final = 1.0
"""Seconds between two looks at the least, each at a part of the streams."""

Context = grpc.aio.ServicerContext[Any, Any]


class Admitted:
    """An open stream."""

    __slots__ = ("error", "peer", "task")

    def __init__(self, peer: Peer, task: asyncio.Task[object]) -> None:
        self.peer = peer
        self.task = task
        self.error: Stranger | None = None
        """Why it was cut."""


class Gate:
    """Asks the enrolment service. ``run`` must be running while streams are open."""

    def __init__(self, trust: Trust, signals: Signals, clock: Clock) -> None:
        self._trust = trust
        self._signals = signals
        self._clock = clock
        self._streams: dict[str, tuple[Admitted, ...]] = {}  # by the agent's name
        self._named: set[str] = set()  # agents of which a certificate may no longer be in force
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Throw out whose certificate is no longer in force, until cancelled."""
        with self._signals.listen(self._note, "trust/"):
            turn: list[str] = []
            while True:
                count = len(self._streams)
                try:
                    async with asyncio.timeout(max(TICK, LOOK_AGAIN / count) if count else None):
                        await self._bell.wait()
                except TimeoutError:
                    turn = turn or list(self._streams)
                    part = max(1, round(count * TICK / LOOK_AGAIN))
                    self._named.update(turn.pop() for _ in range(min(len(turn), part)))
                self._bell.clear()
                await self._look()

    def _note(self, topic: str) -> None:
        self._named.add(topic.removeprefix("trust/"))
        self._bell.set()

    async def _look(self) -> None:
        while self._named:
            for stream in self._streams.get(self._named.pop(), ()):
                try:
                    await self._check(stream.peer)
                except Stranger as stranger:
                    stream.error = stranger
                    stream.task.cancel()
                except Unavailable:
                    pass  # nobody is thrown out because a database is restarted; we look again
                except Exception:
                    log.exception("whether %s may still speak could not be told", stream.peer.name)

    async def admit(self, context: Context) -> Peer:
        """Who calls, for a call that asks once. Stranger."""
        peer = self._peer(context)
        await self._check(peer)
        return peer

    @asynccontextmanager
    async def admitted(self, context: Context) -> AsyncIterator[Peer]:
        """Who calls, for a stream, which must be served in this task: it is cancelled where the peer's certificate is
        no longer in force, and Stranger leaves this context. Listening begins before the certificate is looked up, so
        that no revocation falls between the two. Stranger."""
        task = asyncio.current_task()
        assert task is not None
        stream = Admitted(self._peer(context), task)
        if not self._streams:
            self._bell.set()  # from now on there is something to look at
        name = stream.peer.name
        self._streams[name] = (*self._streams.get(name, ()), stream)
        try:
            await self._check(stream.peer)
            yield stream.peer
        except asyncio.CancelledError:
            if stream.error is None or task.uncancel() > 0:
                raise
            raise stream.error from None
        finally:
            rest = tuple(other for other in self._streams[name] if other is not stream)
            if rest:
                self._streams[name] = rest
            else:
                del self._streams[name]

    def _peer(self, context: Context) -> Peer:
        certificates = list(context.auth_context().get("x509_pem_cert", ()))
        if len(certificates) != 1:
            raise Stranger("no certificate was shown")
        peer = peer_of(certificates[0])
        peer.check_time(self._clock.now())
        return peer

    async def _check(self, peer: Peer) -> None:
        try:
            await self._trust.admit(peer.name, peer.serial)
        except Refused as refusal:
            raise Stranger(str(refusal)) from None
