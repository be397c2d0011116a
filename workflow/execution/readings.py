"""What the journal says of the steps of one attempt: a fold over its structural entries, in order.

Used by whatever shows steps: the control plane's views, ``muster``, the comparison. Any prefix of a journal can be
read; entries of steps that the plan does not have are ignored, for they are another plan's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from workflow.identifiers import Instant, StepRef
from workflow.journal import (
    AttemptFinished,
    Entry,
    StepFinished,
    StepOutput,
    StepPaused,
    StepResumed,
    StepStarted,
)
from workflow.plan.nodes import Plan, walk
from workflow.states import ExecutionState, StepStatus

_LEFT_OPEN: Mapping[ExecutionState, StepStatus] = {
    ExecutionState.PASSED: StepStatus.SKIPPED,
    ExecutionState.FAILED: StepStatus.ABORTED,
    ExecutionState.ABORTED: StepStatus.ABORTED,
    ExecutionState.CANCELED: StepStatus.CANCELED,
}
"""What becomes of a step that began and of which the journal of an ended attempt does not tell the end."""


@dataclass(frozen=True, slots=True)
class StepView:
    """One step. ``started`` is when its first run began, ``iterations`` how many runs began; ``outputs`` are the last
    run's, ``dropped`` the bytes of all its runs that were printed and not kept."""

    ref: StepRef
    status: StepStatus = StepStatus.QUEUED
    started: Instant | None = None
    finished: Instant | None = None
    exit_code: int | None = None
    reason: str = ""
    iterations: int = 0
    outputs: Mapping[str, str] = field(default_factory=dict)
    dropped: int = 0


class Reading:
    """The steps of one attempt, after the entries taken so far."""

    def __init__(self, plan: Plan) -> None:
        self._steps = {step.ref: StepView(step.ref) for step in walk(plan.steps)}

    @property
    def steps(self) -> tuple[StepView, ...]:
        """Every step of the plan, groups before their children."""
        return tuple(self._steps.values())

    def step(self, ref: StepRef) -> StepView | None:
        """One of them; None where the plan has no such step."""
        return self._steps.get(ref)

    def take(self, entry: Entry) -> None:
        """One more entry."""
        if isinstance(entry, AttemptFinished):
            self.close(entry.state)
            return
        ref = getattr(entry, "ref", None)
        if ref in self._steps:
            self._steps[ref] = _after(self._steps[ref], entry)

    def close(self, state: ExecutionState) -> None:
        """The attempt ended as ``state``, whether its journal came to its end or not: nothing stays open."""
        for ref, step in self._steps.items():
            if not step.status.final:
                begun = step.started is not None or step.status is StepStatus.PAUSED
                self._steps[ref] = replace(step, status=_LEFT_OPEN[state] if begun else StepStatus.SKIPPED)


def read(plan: Plan, entries: Iterable[Entry]) -> tuple[StepView, ...]:
    """Every step of the plan after these entries of one attempt."""
    reading = Reading(plan)
    for entry in entries:
        reading.take(entry)
    return reading.steps


def _after(step: StepView, entry: Entry) -> StepView:
    match entry:
        case StepStarted(at=at, iteration=iteration):
            started = step.started if step.started is not None else at
            return StepView(step.ref, StepStatus.RUNNING, started, iterations=iteration + 1)
        case StepPaused():
            return replace(step, status=StepStatus.PAUSED)
        case StepResumed():
            return replace(step, status=StepStatus.RUNNING)
        case StepFinished(at=at, status=status, exit_code=exit_code, reason=reason, dropped=dropped):
            return replace(step, status=status, finished=at, exit_code=exit_code, reason=reason, dropped=dropped)
        case StepOutput(key=key, value=value):
            return replace(step, outputs={**step.outputs, key: value})
        case _:
            return step
