"""How much of what an execution prints is kept, so that a flood fills no disk.

Made for each attempt by the host, which gives each step its share. A step that floods leaves something to those that
follow: it gets at most half of what is left, and always a little. What is not granted is dropped, counted and told.
"""

from __future__ import annotations

from typing import Final

LITTLE: Final = 64 * 1024
"""Bytes that every step may print, whatever those before it did."""


class Share:
    """What one run of one step may print."""

    def __init__(self, allowance: Allowance, limit: int | None) -> None:
        self._allowance = allowance
        self._used = 0
        self.limit = limit
        """Bytes; None: all is kept."""

    def grant(self, size: int) -> int:
        """How many of ``size`` bytes are kept."""
        if self.limit is None:
            return size
        granted = min(size, self.limit - self._used)
        self._used += granted
        self._allowance.used(granted)
        return granted


class Allowance:
    """What one execution may print."""

    def __init__(self, limit: int = 0) -> None:
        """``limit`` in bytes; 0: everything is kept."""
        self._limit = limit
        self._left = limit

    def share(self) -> Share:
        """That of the step that begins now."""
        return Share(self, max(self._left // 2, min(LITTLE, self._limit)) if self._limit else None)

    def used(self, size: int) -> None:
        """So much of it is gone."""
        self._left = max(0, self._left - size)


def amount(size: int) -> str:
    """A size for people: ``1 GiB``, ``1.5 MiB``, ``12 bytes``."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} bytes"
