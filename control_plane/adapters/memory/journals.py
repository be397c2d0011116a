"""The journals' twin: a list of records for each attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from control_plane.ports.journals import JournalGap, JournalUnavailable, Position, Stored
from workflow.identifiers import Attempt, ExecutionId
from workflow.journal import Output, Record

_STRUCTURAL_BYTES = 256  # what a record without output counts for in the limit of a read


class MemoryJournals:
    """The JournalLog port. Set ``refusal`` to a sentence to have every append refused, as by a full disk."""

    def __init__(self) -> None:
        self._records: dict[Attempt, list[Record]] = {}
        self._closed = False
        self.refusal: str | None = None

    async def append(self, attempt: Attempt, records: Sequence[Record]) -> int:
        """As the port says."""
        await asyncio.sleep(0)
        if self._closed:
            raise JournalUnavailable("the journal is closed")
        if self.refusal is not None:
            raise JournalUnavailable(self.refusal)
        stored = self._records.get(attempt, [])
        fresh = [record for record in records if record.seq > len(stored)]
        for expected, record in enumerate(fresh, start=len(stored) + 1):
            if record.seq != expected:
                raise JournalGap(f"{attempt}: record {record.seq} came where {expected} was due")
        if fresh:
            self._records[attempt] = [*stored, *fresh]
        return len(stored) + len(fresh)

    async def last(self, attempt: Attempt) -> int:
        """The highest number of the attempt; 0 where there is none."""
        return len(self._records.get(attempt, ()))

    async def read(self, execution: ExecutionId, after: Position, *, limit: int = 1024 * 1024) -> Sequence[Stored]:
        """As the port says."""
        await asyncio.sleep(0)
        found: list[Stored] = []
        size = 0
        for attempt in sorted(attempt for attempt in self._records if attempt.execution == execution):
            first = after.seq if attempt.number == after.attempt else 0
            for record in self._records[attempt][first:] if attempt.number >= after.attempt else ():
                if found and size >= limit:
                    return found
                found.append(Stored(Position(attempt.number, record.seq), record))
                size += len(record.entry.data) if isinstance(record.entry, Output) else _STRUCTURAL_BYTES
        return found

    async def remove(self, execution: ExecutionId) -> None:
        """Forget the execution's journal."""
        for attempt in [attempt for attempt in self._records if attempt.execution == execution]:
            del self._records[attempt]

    async def close(self) -> None:
        """Store nothing more."""
        self._closed = True
