"""Steps of a resolved workflow to steps of a plan. Used by build; children's plans are made by workers.

The order inside a step is the language's: delay, content, services, setup, run, shell, execute, parallel, steps,
services' end, artifacts. A step of one operation stays one step; one of several becomes a group with hidden steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from workflow.identifiers import StepRef
from workflow.model import Body
from workflow.model import Parallel as ParallelConfig
from workflow.model import Service as ServiceConfig
from workflow.model import Step as StepConfig
from workflow.model.content import Content
from workflow.model.steps import Controls, Operations
from workflow.plan.containers import merged, path_below
from workflow.plan.content import artifacts, content_parts
from workflow.plan.executing import execute
from workflow.plan.naming import Ids
from workflow.plan.nodes import (
    Container,
    Delay,
    Group,
    Operation,
    Parallel,
    Retry,
    Run,
    StartServices,
    Step,
    StopServices,
)
from workflow.plan.parts import START_SERVICES, STOP_SERVICES, Inner, Manner, Part, placed
from workflow.plan.static import Statics

DEEPEST = 30
"""Levels of steps inside one another."""
RESULTS = "/data/.steps"
"""Below it, each step with an id has a directory of its own: ``step.results``."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the steps of one execution share while they are planned."""

    statics: Statics
    ids: Ids
    parallel: Callable[[ParallelConfig], Parallel]
    services: Callable[[dict[str, ServiceConfig], Container], StartServices]


@dataclass(frozen=True, slots=True)
class Contents:
    """The parts of a workflow, a worker or a step that stand in an order."""

    content: Content | None = None
    services: dict[str, ServiceConfig] = field(default_factory=dict)
    setup: tuple[StepConfig, ...] = ()
    operations: Operations | None = None
    parallel: ParallelConfig | None = None
    steps: tuple[StepConfig, ...] = ()


class Stages:
    """Plans the steps of one execution."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def parts(self, contents: Contents, container: Container, depth: int = 0) -> list[Part | Inner]:
        """Everything in its order; nested steps get their place later."""
        found: list[Part | Inner] = []
        operations = contents.operations
        if operations is not None and operations.delay is not None:
            wait = self._around.statics.delay(operations, "delay") or 0
            found.append(Part(Delay(wait), f"Wait for {operations.delay}"))
        found.extend(content_parts(contents.content, self._around.statics))
        if contents.services:
            services = self._around.services(contents.services, container)
            found.append(Part(replace(services, working_dir=container.working_dir), START_SERVICES))
        found.extend(self._inner(step, container, depth) for step in contents.setup)
        if operations is not None:
            found.extend(self._processes(operations, container))
        if contents.parallel is not None:
            parallel = self._around.parallel(contents.parallel)
            found.append(Part(replace(parallel, working_dir=container.working_dir), "Run in parallel"))
        found.extend(self._inner(step, container, depth) for step in contents.steps)
        if contents.services:
            found.append(Part(StopServices(StepRef("")), STOP_SERVICES, finally_=True))
        if operations is not None and operations.artifacts is not None:
            saved = artifacts(operations.artifacts, container.working_dir)
            found.append(Part(saved, "Save artifacts", finally_=True, retried=True))
        return found

    def step(self, config: StepConfig, above: Container, ref: StepRef, depth: int) -> Step:
        """One step of the user's, with all that is inside it."""
        if depth > DEEPEST:
            self._around.statics.note(config, f"steps are nested more than {DEEPEST} levels deep", code="too-deep")
            return Step(ref, Group(()))
        name = self._around.ids.of(config.id, config.name)
        container = merged(_in_directory(above, config.working_dir), config.container)
        contents = Contents(config.content, config.services, config.setup, config, config.parallel, config.steps)
        parts = self.parts(contents, container, depth + 1)
        return self.controlled(parts, config, ref, id_=name, name=config.name or "", condition=config.condition)

    def controlled(
        self,
        parts: Sequence[Part | Inner],
        controls: Controls,
        ref: StepRef,
        *,
        id_: str = "",
        name: str = "",
        condition: str | None = None,
    ) -> Step:
        """The parts as one step under its controls: the only operation itself, or a group of them."""
        retry = controls.retry
        again = Retry(retry.count, retry.until or "self.passed") if retry is not None else None
        manner = Manner(condition, again, f"{RESULTS}/{id_}" if id_ else None)
        body: Group | Operation
        match parts:
            case [Part(operation=operation) as only]:
                body, kept = operation, again if only.retried else None
            case [] if controls.paused:
                body, kept = Delay(0), None
            case _:
                body, kept = Group(placed(parts, ref, manner)), None
        return Step(
            ref,
            body,
            id_,
            name,
            condition or "passed",
            controls.negative,
            controls.optional,
            controls.paused,
            kept,
            self._around.statics.duration(controls, "timeout"),
            None if isinstance(body, Group) else manner.results_dir,
        )

    def _inner(self, config: StepConfig, container: Container, depth: int) -> Inner:
        return lambda ref: self.step(config, container, ref, depth)

    def _processes(self, operations: Operations, container: Container) -> Iterator[Part]:
        if operations.run is not None:
            yield Part(Run(merged(container, operations.run), operations.run.shell), "Run", retried=True)
        if operations.shell is not None:
            yield Part(Run(container, operations.shell), "Run shell command", retried=True)
        if operations.execute is not None:
            others = execute(operations.execute)
            yield Part(replace(others, working_dir=container.working_dir), "Execute workflows", retried=True)


def root_contents(body: Body) -> Contents:
    """A workflow's body: setup, steps and after make one sequence."""
    return Contents(body.content, body.services, (), None, None, (*body.setup, *body.steps, *body.after))


def _in_directory(container: Container, path: str | None) -> Container:
    return container if path is None else replace(container, working_dir=path_below(container.working_dir, path))
