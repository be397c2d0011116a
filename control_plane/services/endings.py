"""How executions end, stop and start again, and what follows for their children and their run. Inside units of work.

Called by progress, supervision, sessions, routing and orchestration; the rules are those of workflow.run. The time
comes from the caller.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from control_plane.ports.records import ExecutionRow, Host, OnLost
from control_plane.services.commits import Draft
from workflow.identifiers import Attempt, Instant, RunId
from workflow.run import StopBy, after_loss, stop_by, stops_with_parent
from workflow.session import Withdraw
from workflow.states import ExecutionState, Verdict, verdict_of

MAX_REASON = 1000
"""Characters of a reason at the most."""


def end(draft: Draft, row: ExecutionRow, state: ExecutionState, reason: str, now: Instant) -> None:
    """The execution ends as ``state``. Its children that depend on it are stopped, its run is settled."""
    ended = replace(
        row,
        state=state,
        reason=reason[:MAX_REASON],
        finished_at=now,
        lease_until=None,
        waits_at=None,
        paused=False,
        resumed=False,
        ready=False,
    )
    draft.put(ended)
    _stop_children(draft, row, state, now)
    if row.place is None:
        settle(draft, row.run, now)


def stop(draft: Draft, row: ExecutionRow, state: ExecutionState, reason: str, now: Instant) -> None:
    """Stop the execution, so that it ends as ``state``; its children follow when it ends. Stopping twice changes
    nothing."""
    wish = row.stop or (state, reason[:MAX_REASON])
    match stop_by(row.state):
        case StopBy.NOTHING:
            return
        case StopBy.ENDING:
            end(draft, replace(row, stop=wish), *wish, now)
        case StopBy.WITHDRAWING:
            _withdraw(draft, row, wish[1])
            end(draft, replace(row, stop=wish), *wish, now)
        case StopBy.ASKING:
            if row.state is not ExecutionState.STOPPING:
                row = replace(row, stop=wish, state=ExecutionState.STOPPING, paused=False, resumed=False)
                draft.put(row)
                _stop_children(draft, row, state, now)
        case other:
            assert_never(other)


def lose(draft: Draft, row: ExecutionRow, reason: str, now: Instant) -> None:
    """Its present attempt is lost: it is handed out again, or ends."""
    started = row.state is not ExecutionState.ASSIGNED
    retry = row.on_lost is OnLost.RETRY
    fate = after_loss(started=started, retry=retry, stop=row.stop, reason=reason, attempt=row.attempt)
    _withdraw(draft, row, reason)
    if fate.state is not ExecutionState.QUEUED:
        end(draft, row, fate.state, fate.reason, now)
        return
    requeue(draft, row, fate.reason, now)


def refuse(draft: Draft, attempt: Attempt, reason: str, now: Instant) -> None:
    """Its agent does what no agent may: the attempt ends where it is the present one, and is not handed out again."""
    row = draft.get(attempt.execution)
    if row is not None and row.attempt == attempt.number and not row.state.final:
        _withdraw(draft, row, reason)
        end(draft, row, ExecutionState.ABORTED, reason, now)


def requeue(draft: Draft, row: ExecutionRow, reason: str, now: Instant) -> None:
    """Back into the queue, at its old place there. What its children did for the lost attempt is void."""
    draft.put(
        replace(
            row,
            state=ExecutionState.QUEUED,
            reason=reason[:MAX_REASON],
            lease_until=None,
            assigned_at=None,
            started_at=None,
            waits_at=None,
            address="",
            ready=False,
        )
    )
    for child in draft.children(row.id):
        if not child.state.final:
            stop(draft, child, ExecutionState.CANCELED, "its parent is handed out again", now)


def settle(draft: Draft, run: RunId, now: Instant) -> None:
    """Give the run its verdict, once all its roots have ended."""
    row = draft.unit.runs.get(run)
    if row is None or row.verdict is not Verdict.PENDING:
        return
    roots = [execution.state for execution in draft.of_run(run) if execution.place is None]
    verdict = verdict_of(roots)
    if verdict is not Verdict.PENDING:
        draft.put_run(replace(row, verdict=verdict, finished_at=now))


def _stop_children(draft: Draft, parent: ExecutionRow, as_: ExecutionState, now: Instant) -> None:
    reason = parent.stop[1] if parent.stop is not None else f"its parent {as_.value}"
    for child in draft.children(parent.id):
        if child.place is not None and not child.state.final and stops_with_parent(child.place.kind, as_):
            stop(draft, child, ExecutionState.CANCELED, reason, now)


def _withdraw(draft: Draft, row: ExecutionRow, reason: str) -> None:
    if row.host is Host.AGENT and row.agent is not None and row.attempt:
        draft.say(row.agent, Withdraw(row.current, reason[:MAX_REASON]))
