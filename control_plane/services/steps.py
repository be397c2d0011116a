"""Where the steps of an execution stand, as people see it: its plan, and what workflow.execution.readings makes of
its journal.

Called by services.queries. Pure. Knows nothing of the store; entries come decoded and in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workflow.execution import readings
from workflow.journal import Entry
from workflow.plan.describe import KINDS
from workflow.plan.nodes import Plan, walk
from workflow.states import ExecutionState
from workflow.views import StepView, milliseconds, moment


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A plan, and its steps before anything happened."""

    plan: Plan
    steps: tuple[StepView, ...]


def skeleton(plan: Plan) -> Skeleton:
    """Made once for each execution."""
    steps = tuple(
        StepView(
            ref=step.ref,
            id=step.id,
            name=step.name,
            kind=KINDS[type(step.body)],
            hidden=step.hidden,
            optional=step.optional,
            negative=step.negative,
        )
        for step in walk(plan.steps)
    )
    return Skeleton(plan, steps)


class Course:
    """The steps of one attempt, as its entries come."""

    def __init__(self, bones: Skeleton, entries: Iterable[Entry] = ()) -> None:
        self._bones = bones
        self._by_ref = {step.ref: step for step in bones.steps}
        self._reading = readings.Reading(bones.plan)
        for entry in entries:
            self._reading.take(entry)

    def take(self, entry: Entry) -> StepView | None:
        """One more entry; the step that it is about, where it changed."""
        ref = getattr(entry, "ref", None)
        before = self._reading.step(ref) if ref is not None else None
        self._reading.take(entry)
        if ref is None or before is None:
            return None
        told = self._reading.step(ref)
        return _after(self._by_ref[ref], told) if told is not None and told != before else None

    def views(self, state: ExecutionState) -> tuple[StepView, ...]:
        """All steps. An execution that is over leaves nothing open."""
        if state.final:
            self._reading.close(state)
        return tuple(_after(step, told) for step, told in zip(self._bones.steps, self._reading.steps, strict=True))


def viewed(bones: Skeleton, entries: Iterable[Entry], state: ExecutionState) -> tuple[StepView, ...]:
    """The steps after these entries of one attempt."""
    return Course(bones, entries).views(state)


def _after(step: StepView, told: readings.StepView) -> StepView:
    if told.started is None and told.status is step.status:
        return step
    return step.model_copy(
        update={
            "status": told.status,
            "iteration": max(told.iterations - 1, 0),
            "started_at": moment(told.started),
            "finished_at": moment(told.finished),
            "duration_ms": milliseconds(told.started, told.finished),
            "exit_code": told.exit_code,
            "reason": told.reason,
            "dropped": told.dropped,
            "outputs": dict(told.outputs),
        }
    )
