"""Plans by hand, as short as can be, for tests of the state machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workflow.identifiers import StepRef, child_of
from workflow.plan.nodes import Container, Group, Operation, Plan, Run, Step


def run(script: str = "true", **how: Any) -> Step:
    """A step that runs a process."""
    return Step(StepRef(""), Run(Container(), script), **how)


def op(operation: Operation, **how: Any) -> Step:
    """A step with this operation."""
    return Step(StepRef(""), operation, **how)


def group(*steps: Step, **how: Any) -> Step:
    """A group of steps."""
    return Step(StepRef(""), Group(steps), **how)


def plan(*steps: Step, **how: Any) -> Plan:
    """A plan of these steps, their references counted out."""
    return Plan("test", _numbered(steps, None), **how)


def _numbered(steps: tuple[Step, ...], parent: StepRef | None) -> tuple[Step, ...]:
    result = []
    for index, step in enumerate(steps, 1):
        ref = child_of(parent, index)
        body = Group(_numbered(step.body.steps, ref)) if isinstance(step.body, Group) else step.body
        result.append(replace(step, ref=ref, body=body))
    return tuple(result)
