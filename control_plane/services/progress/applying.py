"""What journal entries do to their execution, inside a unit of work.

Called by progress and by orchestration, which hand in what the entries' children are to be (prepared outside the
unit, since that takes time). Entries that the row reflects already are skipped, so applying twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from control_plane.ports.records import EntryRow, ExecutionRow
from control_plane.services.births import Births, bear
from control_plane.services.commits import Draft
from control_plane.services.endings import end, stop
from workflow import entries
from workflow.identifiers import Attempt, Instant
from workflow.journal import (
    AttemptFinished,
    AttemptStarted,
    ChildKind,
    ChildrenDropped,
    ChildrenResumed,
    ChildrenWanted,
    Output,
    Record,
    StepFinished,
    StepPaused,
    StepResumed,
    StepStarted,
)
from workflow.leases import Standing, standing
from workflow.run import ended_as, told_index
from workflow.session import Fenced
from workflow.states import ExecutionState


def is_structural(record: Record) -> bool:
    """Whether the record changes anything but the log."""
    return not isinstance(record.entry, Output)


def apply(draft: Draft, attempt: Attempt, records: Sequence[Record], births: Births, now: Instant) -> None:
    """Apply the structural ones of ``records``. Fenced where the attempt is not the present one, LookupError where it
    is unknown."""
    row = draft.get(attempt.execution)
    fresh = fresh_for(row, attempt, records)
    if row is None or not fresh:
        return
    structural = [record for record in fresh if is_structural(record)]
    draft.unit.entries.add([_entry_row(attempt, record) for record in structural])
    draft.put(replace(row, applied_seq=fresh[-1].seq))
    for record in structural:
        current = draft.get(attempt.execution)
        if current is None or current.state.final:
            break
        _apply_one(draft, current, record, births, now)


def fresh_for(row: ExecutionRow | None, attempt: Attempt, records: Sequence[Record]) -> list[Record]:
    """The records that the row does not reflect yet. Fenced, LookupError."""
    if row is None:
        raise LookupError(f"there is no execution {attempt.execution}")
    match standing(row.attempt, row.state, attempt.number):
        case Standing.CURRENT:
            return [record for record in records if record.seq > row.applied_seq]
        case Standing.OVER:
            if all(record.seq <= row.applied_seq for record in records):
                return []
            raise Fenced(f"{attempt} is over: {row.state.value}")
        case Standing.FENCED:
            raise Fenced(f"{attempt} was taken back")
        case Standing.UNKNOWN:
            raise LookupError(f"{attempt} was never handed out")


def _apply_one(draft: Draft, row: ExecutionRow, record: Record, births: Births, now: Instant) -> None:
    match record.entry:
        case AttemptStarted():
            if row.state is ExecutionState.ASSIGNED:
                draft.put(replace(row, state=ExecutionState.RUNNING, started_at=now, reason=""))
        case StepStarted():
            draft.put(replace(row, resumed=False))
        case StepPaused():
            if row.state is ExecutionState.RUNNING:
                draft.put(replace(row, state=ExecutionState.PAUSED))
        case StepResumed():
            running = row.state is ExecutionState.PAUSED
            draft.put(replace(row, state=ExecutionState.RUNNING if running else row.state, resumed=False))
        case StepFinished(ref=ref, dropped=dropped):
            if row.waits_at == ref or dropped:
                waits_at = None if row.waits_at == ref else row.waits_at
                draft.put(replace(row, waits_at=waits_at, log_incomplete=row.log_incomplete or dropped > 0))
        case ChildrenWanted() as wanted:
            if any(spec.kind is not ChildKind.SERVICE for spec in wanted.children):
                draft.put(replace(row, waits_at=wanted.ref))
            bear(draft, row, wanted, births, now)
        case ChildrenDropped() as dropped:
            _drop(draft, row, dropped, now)
        case ChildrenResumed() as resumed:
            _resume(draft, row, resumed)
        case AttemptFinished(state=state, reason=reason):
            end(draft, row, *ended_as(state, reason, row.stop), now)
        case _:
            pass  # outputs, artifacts, transfers: readings of the entries


def _drop(draft: Draft, row: ExecutionRow, dropped: ChildrenDropped, now: Instant) -> None:
    reason = dropped.reason or "its parent no longer wants it"
    for child in _children(draft, row, dropped):
        stop(draft, child, ExecutionState.CANCELED, reason, now)


def _resume(draft: Draft, row: ExecutionRow, resumed: ChildrenResumed) -> None:
    for child in _children(draft, row, resumed):
        if not child.state.final:
            draft.put(replace(child, paused=False, resumed=True))


def _children(draft: Draft, row: ExecutionRow, entry: ChildrenDropped | ChildrenResumed) -> list[ExecutionRow]:
    """The children that the entry names."""
    named = set(entry.indices)
    found: list[ExecutionRow] = []
    for child in draft.children(row.id):
        place = child.place
        if place is not None and place.ref == entry.ref and told_index(row.attempt, place.index) in named:
            found.append(child)
    return found


def _entry_row(attempt: Attempt, record: Record) -> EntryRow:
    entry = record.entry
    assert not isinstance(entry, Output)
    return EntryRow(attempt, record.seq, entry.at, entries.kind_of(entry), entries.to_data(entry))
