"""Waiting for a moment or for a ring, whichever comes first. Used by services that keep deadlines."""

from __future__ import annotations

import asyncio

from control_plane.ports.clock import Clock


class Alarm:
    """One waiter. ``at`` is in seconds of the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bell = asyncio.Event()
        self._at: float | None = None

    def ring(self) -> None:
        """Wake the waiter now, or the next time at once."""
        self._bell.set()

    def not_later(self, at: float | None) -> None:
        """Wake the waiter where it would sleep longer than until ``at``."""
        if at is not None and (self._at is None or at < self._at):
            self._bell.set()

    async def wait(self, at: float | None) -> None:
        """Return at ``at`` (never, where None) or when rung."""
        self._at = at
        if at is None:
            await self._bell.wait()
        elif not self._bell.is_set() and (left := at - self._clock.monotonic()) > 0:
            async with asyncio.TaskGroup() as tasks:
                sleeper = tasks.create_task(self._sleep(left))
                await self._bell.wait()
                sleeper.cancel()
        self._bell.clear()

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._bell.set()
