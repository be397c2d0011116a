"""Who gets in, and who is thrown out. Called by every handler before anything else.

An agent is admitted by its certificate's name and serial, on each call. A stream lasts no longer than that serial is
in force: ``thrown_out`` ends when it no longer is, at once by the signal ``trust/<name>``, and within LOOK_AGAIN
seconds should the signal be lost.
"""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any, Final, NoReturn

import grpc

from control_plane.ports.clock import Clock
from control_plane.ports.signals import Signals
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
        """Who calls. Stranger."""
        certificates = list(context.auth_context().get("x509_pem_cert", ()))
        if len(certificates) != 1:
            raise Stranger("no certificate was shown")
        peer = peer_of(certificates[0])
        peer.check_time(self._clock.now())
        await self._check(peer)
        return peer

    async def thrown_out(self, peer: Peer) -> NoReturn:
        """Returns never; raises Stranger when the peer's certificate is no longer in force."""
        with self._signals.subscribe(f"trust/{peer.name}") as trust:
            while True:
                with suppress(Unavailable):  # nobody is thrown out because a database is restarted; we look again
                    await self._check(peer)
                await trust.wait(LOOK_AGAIN * random.uniform(0.7, 1.3))  # noqa: S311 (spreads the look-ups)

    async def _check(self, peer: Peer) -> None:
        try:
            await self._trust.admit(peer.name, peer.serial)
        except Refused as refusal:
            raise Stranger(str(refusal)) from None
