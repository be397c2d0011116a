"""Records for the journals' suites."""

from __future__ import annotations

from collections.abc import Sequence

from control_plane.ports.journals import JournalLog, Position, Stored
from workflow.identifiers import Attempt, ExecutionId, Instant, StepRef
from workflow.journal import AttemptStarted, Output, Record, Stream

BEGINNING = Position()


def attempt(execution: str = "e1", number: int = 1) -> Attempt:
    """An attempt."""
    return Attempt(ExecutionId(execution), number)


def record(seq: int, data: bytes | None = None) -> Record:
    """Output that tells its number, or ``data``; the first is AttemptStarted."""
    if seq == 1:
        return Record(1, AttemptStarted(Instant(1), "1.0", "ünicode"))
    return Record(seq, Output(Instant(seq), StepRef("1.2"), Stream.STDERR, data or f"line {seq}\n".encode()))


def records(first: int, last: int, size: int = 0) -> list[Record]:
    """Records ``first`` to ``last``, each with ``size`` bytes of output more."""
    return [record(seq, f"line {seq} ".encode() + b"x" * size) for seq in range(first, last + 1)]


def stored(number: int, several: Sequence[Record]) -> list[Stored]:
    """As they are read back."""
    return [Stored(Position(number, one.seq), one) for one in several]


async def read_all(
    log: JournalLog, execution: str = "e1", after: Position = BEGINNING, limit: int = 4096
) -> list[Stored]:
    """Everything behind ``after``, read piece by piece."""
    found: list[Stored] = []
    while page := await log.read(ExecutionId(execution), after, limit=limit):
        found += page
        after = page[-1].position
    return found
