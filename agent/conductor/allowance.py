"""How much of what an execution prints is kept, so that a flood fills no disk.

Made for each attempt by the host; shared by all of its steps. What it does not grant is dropped, counted and told.
"""

from __future__ import annotations


class Allowance:
    """Bytes of output."""

    def __init__(self, limit: int = 0) -> None:
        """``limit`` 0: everything is kept."""
        self.limit = limit
        self._left = limit

    def grant(self, size: int) -> int:
        """How many of ``size`` bytes are kept."""
        if not self.limit:
            return size
        granted = min(size, self._left)
        self._left -= granted
        return granted


def amount(size: int) -> str:
    """A size for people: ``1 GiB``, ``1.5 MiB``, ``12 bytes``."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} bytes"
