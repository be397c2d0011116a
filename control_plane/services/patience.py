"""How often a stranger may be wrong. Called by control_plane.services.enrolment.

Per address: WRONG in WINDOW seconds, then nothing is looked at until the window is over. Addresses are forgotten with
their window; never more than ADDRESSES are remembered, the oldest goes first.
"""

from __future__ import annotations

from typing import Final

from control_plane.ports.clock import Clock

WRONG: Final = 10
WINDOW: Final = 60.0
ADDRESSES: Final = 4096


class Patience:
    """Counts wrong tokens by address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrong: dict[str, tuple[float, int]] = {}  # address -> (window's end, wrong ones in it)

    def left(self, address: str) -> bool:
        """Whether this address may try."""
        return self._count(address) < WRONG

    def lose(self, address: str) -> None:
        """This address was wrong."""
        count = self._count(address)
        if count == 0:
            self._wrong.pop(address, None)
            while len(self._wrong) >= ADDRESSES:
                del self._wrong[next(iter(self._wrong))]
            self._wrong[address] = (self._clock.monotonic() + WINDOW, 1)
        else:
            self._wrong[address] = (self._wrong[address][0], count + 1)

    def _count(self, address: str) -> int:
        end, count = self._wrong.get(address, (0.0, 0))
        return count if self._clock.monotonic() < end else 0
