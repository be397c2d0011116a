"""The real clock and real chance. The production adapter of the Clock port; called by the assembly.

Suite: tests/contracts/clock.
"""

from __future__ import annotations

import asyncio
import secrets
import time

from workflow.identifiers import Instant

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TIME_CHARS = 10  # microseconds since 1970 in base 36: enough until the year 2085
_TAIL_CHARS = 10  # 51 bits of chance


class SystemClock:
    """The machine's clock."""

    def __init__(self) -> None:
        self._latest_id_time = 0

    def now(self) -> Instant:
        """Microseconds since 1970 UTC."""
        return Instant(time.time_ns() // 1000)

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        await asyncio.sleep(seconds)

    def fresh_id(self) -> str:
        """20 characters of ``a-z 0-9``: ten of time, ten of chance.

        Within one process later ones sort behind earlier ones even where the clock stands still or jumps back.
        """
        self._latest_id_time = max(self.now(), self._latest_id_time + 1)
        tail = secrets.randbelow(len(_DIGITS) ** _TAIL_CHARS)  # asked of the system once, not for each character
        return _base36(self._latest_id_time, _TIME_CHARS) + _base36(tail, _TAIL_CHARS)


def _base36(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
