"""Who gets in, and who is thrown out. Called by every handler before anything else.

An agent is admitted by its certificate's name and serial, on each call. A stream lasts no longer than that serial is
in force: ``thrown_out`` ends when it no longer is, at once by the signal ``trust/<name>``, and within LOOK_AGAIN
seconds should the signal be lost.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import grpc

from control_plane.ports.clock import Clock
from control_plane.ports.signals import Signals, Subscription
from control_plane.ports.store import Unavailable
from control_plane.rpc.peers import Peer, Stranger, peer_of
from control_plane.rpc.services import Trust
from workflow.session import Refused

LOOK_AGAIN: Final = 30.0
"""Seconds after which a stream's certificate is looked up again, more or less."""

Context = grpc.aio.ServicerContext[Any, Any]


class Gate:
    """Asks the enrolment service."""

    def __init__(self, trust: Trust, signals: Signals, clock: Clock) -> None:
        self._trust = trust
        self._signals = signals
        self._clock = clock

    async def admit(self, context: Context) -> Peer:
        """Who calls, for a call that asks once. Stranger."""
        peer = self._peer(context)
        await self._check(peer)
        return peer

    @asynccontextmanager
    async def admitted(self, context: Context) -> AsyncIterator[Admitted]:
        """Who calls, for a stream. Listening begins before the certificate is looked up, so that no revocation falls
        between the two. Stranger."""
        peer = self._peer(context)
        with self._signals.subscribe(f"trust/{peer.name}") as trust:
            await self._check(peer)
            yield Admitted(peer, trust, self._check)

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


@dataclass(frozen=True, slots=True)
class Admitted:
    """A stream's peer, while its stream lasts."""

    peer: Peer
    _trust: Subscription
    _check: Callable[[Peer], Awaitable[None]]

    async def thrown_out(self) -> NoReturn:
        """Returns never; raises Stranger when the peer's certificate is no longer in force."""
        while True:
            await self._trust.wait(LOOK_AGAIN * random.uniform(0.7, 1.3))  # noqa: S311 (spreads the look-ups)
            with suppress(Unavailable):  # nobody is thrown out because a database is restarted; we look again
                await self._check(self.peer)
