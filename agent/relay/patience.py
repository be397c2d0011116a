"""How long to wait before the next try: jittered, doubling from 100 ms to 4 s. Used by everything that reconnects.

4 s, because a control plane that is back must have all its agents back within seconds; a thousand of them then knock
less than 400 times a second, each shaken apart from the others by its jitter, which a machine that answers nobody does
not feel and one that answers takes in stride (tests/bench/recovery.py).
"""

from __future__ import annotations

import asyncio
import random

SHORTEST = 0.1
LONGEST = 4.0
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
        """Wait, and longer next time; not at all where this task is to end: see ``wanted``."""
        wanted()
        pause = self._next * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the tries of many
        self._next = min(self._next * 2, self._longest)
        await asyncio.sleep(pause)


def wanted() -> None:
    """Raises CancelledError where this task was cancelled in the same moment in which a group of its tasks failed:
    the group's error is all that Python 3.11 and 3.12 raise then, and who only tries again would never end."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
