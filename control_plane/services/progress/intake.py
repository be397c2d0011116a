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

    def count(self, records: Iterable[Record]) -> None:
        """Some more; none of it is to be kept where this raises TooMuch."""
        if self._left is None:
            return
        for record in records:
            entry = record.entry
            self._left -= ENTRY + len(entry.data) if isinstance(entry, Output) else STRUCTURAL
        if self._left < 0:
            raise TooMuch("its agent sent more than twice what is kept of one execution (log_limit); upgrade the agent")
