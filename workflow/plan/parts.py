"""What a step is made of before it has a place: its operations and the steps inside it, in order. Used by the
planner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from workflow.identifiers import StepRef, child_of
from workflow.plan.nodes import Operation, Retry, Step, StopServices


@dataclass(frozen=True, slots=True)
class Part:
    """One operation of a step. ``title`` is for people; ``finally_`` says that it runs however the others ended."""

    operation: Operation
    title: str
    finally_: bool = False
    retried: bool = False  # by the step's ``retry``
    hidden: bool = True  # False where it is itself what the user wrote


Inner = Callable[[StepRef], Step]
"""A step of the user's inside this one, made when its place is known."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the operations of one step are run: what the step says, for each of them."""

    condition: str | None
    retry: Retry | None
    results_dir: str | None


def placed(parts: Sequence[Part | Inner], parent: StepRef | None, manner: Manner) -> tuple[Step, ...]:
    """The parts as steps below ``parent``; operations are hidden where the user wrote the step around them."""
    steps: list[Step] = []
    services = StepRef("")
    for index, part in enumerate(parts, 1):
        ref = child_of(parent, index)
        if not isinstance(part, Part):
            steps.append(part(ref))
            continue
        operation = part.operation
        if isinstance(operation, StopServices):
            operation = replace(operation, started_by=services)
        elif part.title == START_SERVICES:
            services = ref
        steps.append(
            Step(
                ref,
                operation,
                name=part.title,
                condition="always" if part.finally_ else manner.condition or "passed",
                retry=manner.retry if part.retried else None,
                results_dir=manner.results_dir,
                hidden=part.hidden,
            )
        )
    return tuple(steps)


START_SERVICES = "Start services"
STOP_SERVICES = "Stop services"
