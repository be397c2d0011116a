"""A clock that stands still until a test moves it.

Identifiers count up, so that two runs of a test see the same ones.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

from workflow.identifiers import SECOND, Instant

START = Instant(1_700_000_000 * SECOND)


class ManualClock:
    """The Clock port, moved by hand.

    ``settle`` is how often the event loop turns after each awakening, so that what was woken can go on (and sleep
    again) before time moves further.
    """

    def __init__(self, start: Instant = START, settle: int = 20) -> None:
        self._now = int(start)
        self._monotonic = 0  # microseconds
        self._settle = settle
        self._ids = count(1)
        self._sleeps = count(1)
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._fell_asleep = asyncio.Event()

    def now(self) -> Instant:
        """Microseconds since 1970 UTC."""
        return Instant(self._now)

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._monotonic / SECOND

    async def sleep(self, seconds: float) -> None:
        """Return when the clock was moved by ``seconds``."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + round(seconds * SECOND), next(self._sleeps), woken))
        self._fell_asleep.set()
        await woken

    def fresh_id(self) -> str:
        """``00000000000000000001`` and so on: 20 characters, sorted as they were made."""
        return f"{next(self._ids):020d}"

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward (or back) as an administrator would: no time passes."""
        self._now += round(seconds * SECOND)

    @property
    def sleepers(self) -> int:
        """How many wait."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def until_asleep(self, sleepers: int = 1) -> None:
        """Return once so many wait: the test's signal that it may move the clock."""
        while self.sleepers < sleepers:
            self._fell_asleep.clear()
            await self._fell_asleep.wait()

    async def advance(self, seconds: float) -> None:
        """Let time pass: wakes sleepers in their order, each at its own moment."""
        end = self._monotonic + round(seconds * SECOND)
        await self._turn()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                self._move(due)
                woken.set_result(None)
                await self._turn()
        self._move(end)

    def _move(self, monotonic: int) -> None:
        self._now += monotonic - self._monotonic
        self._monotonic = monotonic

    async def _turn(self) -> None:
        for _ in range(self._settle):
            await asyncio.sleep(0)
