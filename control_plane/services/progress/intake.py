"""How much one attempt may send: twice what its conductor keeps, whatever the agent between says.

Counted by progress for each attempt, from the moment at which this process first heard of it. Conductors hold the
limit themselves and tell what they drop; so whoever comes here is an agent that keeps to nothing, or older than that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from workflow.journal import Output, Record

FACTOR: Final = 2
"""Times the limit: every step may print a little when the limit is reached, and Muster's own lines do not count."""
SPARE: Final = 64 * 1024 * 1024
"""Bytes that are taken beyond that."""
ENTRY: Final = 64
"""Bytes that an entry costs besides what was printed, at the least."""
STRUCTURAL: Final = 1024
"""Bytes that an entry that is no output is taken for."""


class TooMuch(Exception):
    """The attempt has sent more than is taken of one. The message is a sentence for people."""


class Intake:
    """What one attempt has sent so far."""

    def __init__(self, limit: int) -> None:
        """``limit``: bytes of output that conductors keep; 0: no bound."""
        self._left = FACTOR * limit + SPARE if limit else None

    def cost(self, records: Iterable[Record]) -> int:
        """Bytes that these are taken for. TooMuch where there is no room for them."""
        if self._left is None:
            return 0
        cost = sum(map(_cost, records))
        if cost > self._left:
            raise TooMuch("its agent sent more than twice what is kept of one execution (log_limit); upgrade the agent")
        return cost

    def took(self, cost: int) -> None:
        """They are kept: what a full disk refused comes again, and costs nothing before."""
        if self._left is not None:
            self._left -= cost


def _cost(record: Record) -> int:
    entry = record.entry
    return ENTRY + len(entry.data) if isinstance(entry, Output) else STRUCTURAL
