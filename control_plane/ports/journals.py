"""Where journals lie: appended, never rewritten, read from any point.

Called by services.progress (append), services.logs and services.artifacts (read). Adapters:
control_plane.adapters.segments (files with group commit, sealed into the blob store), .memory. One contract suite,
tests/contracts/journals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from workflow.identifiers import Attempt, ExecutionId
from workflow.journal import Record


class JournalGap(Exception):
    """Records were appended that do not follow what is stored."""


class JournalUnavailable(Exception):
    """Nothing was stored: disk full, I/O error. The sentence says what; the sender tries again later."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in an execution's whole journal: attempt and number. Readers resume behind it. ``Position(0, 0)`` is
    the beginning.
    """

    attempt: int = 0
    seq: int = 0

    def __str__(self) -> str:
        return f"{self.attempt}.{self.seq}"


@dataclass(frozen=True, slots=True)
class Stored:
    """A record and its place."""

    position: Position
    record: Record


class JournalLog(Protocol):
    """The port."""

    async def append(self, attempt: Attempt, records: Sequence[Record]) -> int:
        """Store those that follow, drop those already stored, and return the highest number stored, once all is
        durable (fsync). JournalGap where a number is missing; JournalUnavailable where the disk refuses. Calls for
        one attempt come one after another.
        """
        ...

    async def last(self, attempt: Attempt) -> int:
        """The highest durable number of the attempt; 0 where there is none. JournalUnavailable where it cannot be
        found out now.
        """
        ...

    async def read(self, execution: ExecutionId, after: Position, *, limit: int = 1024 * 1024) -> Sequence[Stored]:
        """The records behind ``after`` in order, all attempts, until about ``limit`` bytes; empty at the end (for now).
        JournalUnavailable where they cannot be read now, or are damaged."""
        ...

    async def remove(self, execution: ExecutionId) -> None:
        """Forget the execution's journal."""
        ...

    async def close(self) -> None:
        """Make durable what is under way and let go."""
        ...
