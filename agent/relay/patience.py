"""How long to wait before the next try: jittered, doubling from 100 ms to 15 s. Used by everything that reconnects."""

from __future__ import annotations

import asyncio
import random

SHORTEST = 0.1
LONGEST = 15.0
"""Seconds."""


class Patience:
    """The tries of one thing."""

    def __init__(self, shortest: float = SHORTEST, longest: float = LONGEST) -> None:
        self._shortest, self._longest = shortest, longest
        self._next = shortest

    def reset(self) -> None:
        """It worked: the next failure is the first again."""
        self._next = self._shortest

    async def wait(self) -> None:
        """Wait, and longer next time."""
        pause = self._next * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the tries of many
        self._next = min(self._next * 2, self._longest)
        await asyncio.sleep(pause)
