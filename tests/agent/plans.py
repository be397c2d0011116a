"""Plans for tests, in few words."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from workflow.identifiers import Attempt, ExecutionId, StepRef
from workflow.plan.encode import to_bytes
from workflow.plan.nodes import Container, EnvVar, Json, Operation, Plan, Run, Step
from workflow.session import Assign, Bundle

_numbers = itertools.count(1)


def attempt(number: int = 1, name: str = "") -> Attempt:
    """A fresh attempt."""
    return Attempt(ExecutionId(name or f"exec-{next(_numbers)}"), number)


def shell(script: str, **env: str) -> Run:
    """A script."""
    return Run(Container(env=tuple(EnvVar(name, value) for name, value in env.items())), script=script)


def step(place: int, body: Operation, **more: object) -> Step:
    """The ``place``-th step of a plan, counted from 1."""
    return Step(StepRef(str(place)), body, name=f"step {place}", **more)  # type: ignore[arg-type]


def plan(*bodies: Operation | Step, **more: object) -> Plan:
    """A plan of these steps."""
    steps = [body if isinstance(body, Step) else step(place, body) for place, body in enumerate(bodies, 1)]
    return Plan("test", tuple(steps), **more)  # type: ignore[arg-type]


def assign(
    made: Plan,
    to: Attempt | None = None,
    variables: Mapping[str, Json] | None = None,
    transfers: Sequence[tuple[str, str]] = (),
    log_limit: int = 0,
) -> Assign:
    """The plan as it is handed to an agent."""
    bundle = Bundle(to or attempt(), to_bytes(made), variables or {}, tuple(transfers), log_limit=log_limit)
    return Assign(bundle)
