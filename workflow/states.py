"""The states of steps, executions and runs, and every legal move between them. Data first.

Everything that asks "may it?" asks here: the state machines, the services, the store. An illegal move is an
``IllegalMove`` and changes nothing. Source of the names: the TestWorkflow API.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class StepStatus(StrEnum):
    """Where one step of one attempt stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    PASSED = "passed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    SKIPPED = "skipped"
    ABORTED = "aborted"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Whether the step has ended."""
        return self in _FINAL_STEPS

    @property
    def good(self) -> bool:
        """Whether a later step may call the work so far passed (a skipped step counts as not failed)."""
        return self in {StepStatus.PASSED, StepStatus.SKIPPED}


class ExecutionState(StrEnum):
    """Where an execution stands, as the control plane knows it."""

    QUEUED = "queued"  # waits for an agent, a slot or its concurrency group
    ASSIGNED = "assigned"  # offered to an agent, which has not begun
    RUNNING = "running"  # its attempt began: AttemptStarted is durable
    PAUSED = "paused"
    STOPPING = "stopping"  # told to stop; its conductor has not ended yet
    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"  # ended by the system: lost, deadline, queue time-out
    CANCELED = "canceled"  # ended by a person or by its parent

    @property
    def final(self) -> bool:
        """Whether it has ended; nothing changes it afterwards."""
        return self in FINAL

    @property
    def live(self) -> bool:
        """Whether it occupies a slot of an agent."""
        return self in {
            ExecutionState.ASSIGNED,
            ExecutionState.RUNNING,
            ExecutionState.PAUSED,
            ExecutionState.STOPPING,
        }


_S = StepStatus
_E = ExecutionState

_FINAL_STEPS = frozenset({_S.PASSED, _S.FAILED, _S.TIMEOUT, _S.SKIPPED, _S.ABORTED, _S.CANCELED})
FINAL = frozenset({_E.PASSED, _E.FAILED, _E.ABORTED, _E.CANCELED})

STEP_MOVES: Mapping[StepStatus, frozenset[StepStatus]] = {
    _S.QUEUED: frozenset({_S.RUNNING, _S.PAUSED, _S.SKIPPED, _S.ABORTED, _S.CANCELED}),
    _S.RUNNING: frozenset({_S.PAUSED, _S.PASSED, _S.FAILED, _S.TIMEOUT, _S.ABORTED, _S.CANCELED, _S.SKIPPED}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.PASSED, _S.FAILED, _S.TIMEOUT, _S.ABORTED, _S.CANCELED, _S.SKIPPED}),
    **{status: frozenset() for status in _FINAL_STEPS},
}

EXECUTION_MOVES: Mapping[ExecutionState, frozenset[ExecutionState]] = {
    _E.QUEUED: frozenset({_E.ASSIGNED, _E.RUNNING, _E.CANCELED, _E.ABORTED}),
    _E.ASSIGNED: frozenset({_E.QUEUED, _E.RUNNING, _E.STOPPING, _E.CANCELED, _E.ABORTED, _E.FAILED}),
    _E.RUNNING: frozenset({_E.PAUSED, _E.STOPPING, _E.QUEUED, *FINAL}),
    _E.PAUSED: frozenset({_E.RUNNING, _E.STOPPING, _E.QUEUED, *FINAL}),
    _E.STOPPING: frozenset({_E.QUEUED, *FINAL}),
    **{state: frozenset() for state in FINAL},
}


@dataclass(eq=False)
class IllegalMove(Exception):
    """Something asked for a move that the table does not hold. ``what`` names the thing, ``story`` the way to it."""

    what: str
    start: str
    end: str
    story: str = ""

    def __post_init__(self) -> None:
        super().__init__(
            f"{self.what}: {self.start} -> {self.end} is no legal move" + (f"; {self.story}" if self.story else "")
        )


def moved_step(what: str, start: StepStatus, end: StepStatus) -> StepStatus:
    """``end``, when a step may go there from ``start``; else ``IllegalMove``."""
    if end not in STEP_MOVES[start]:
        raise IllegalMove(what, start.value, end.value)
    return end


def moved_execution(what: str, start: ExecutionState, end: ExecutionState) -> ExecutionState:
    """``end``, when an execution may go there from ``start``; else ``IllegalMove``."""
    if end not in EXECUTION_MOVES[start]:
        raise IllegalMove(what, start.value, end.value)
    return end


class Verdict(StrEnum):
    """What a run comes to."""

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"
    CANCELED = "canceled"


def verdict_of(states: Iterable[ExecutionState]) -> Verdict:
    """The verdict of a run from the states of its root executions.

    Pending while one is open; then the worst: failed before aborted before canceled before passed. No execution at all
    is aborted: nothing ran, and nothing is never a success.
    """
    seen = set(states)
    if any(not state.final for state in seen):
        return Verdict.PENDING
    for state, verdict in (
        (_E.FAILED, Verdict.FAILED),
        (_E.ABORTED, Verdict.ABORTED),
        (_E.CANCELED, Verdict.CANCELED),
        (_E.PASSED, Verdict.PASSED),
    ):
        if state in seen:
            return verdict
    return Verdict.ABORTED
