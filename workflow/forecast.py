"""What a workflow will become, told before anything runs: the tree of its executions, their steps, children and pods.

Called by ``muster plan``. Pure. Built with the same planner, the same counting of children and the same binding as a
real run; what only a running step can know (outputs, files, the environment) stays an open ``{{ }}``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, cast

from workflow.expressions import ExpressionError
from workflow.journal import ChildKind, ChildSpec
from workflow.labels import Labels, Target, matches, replicas, shortfall
from workflow.plan.bind import bind, bind_part
from workflow.plan.children import BadSpread, expand
from workflow.plan.codec import encoder
from workflow.plan.describe import KINDS
from workflow.plan.nodes import (
    Execute,
    Group,
    Json,
    Operation,
    Parallel,
    Plan,
    StartServices,
    Step,
)
from workflow.pods.ahead import Pod, pod_ahead
from workflow.problems import InvalidDocument
from workflow.run import MAX_DEPTH

MAX_EXECUTIONS: Final = 1_000
"""Executions that a forecast describes step by step; further ones are named with their values alone."""
MAX_NAMED: Final = 20_000
"""Children that a forecast names at the most."""


class Library(Protocol):
    """The documents that are known. What is not there may still stand in the catalog of a control plane."""

    def plan(self, workflow: str, config: Mapping[str, Json]) -> Plan:
        """The plan of a workflow. LookupError where it is not known, InvalidDocument, ValueError."""
        ...

    def select(self, labels: Mapping[str, str]) -> Sequence[str]:
        """The names of the workflows with these labels."""
        ...


@dataclass(frozen=True, slots=True)
class Where:
    """Where an execution runs. ``agents`` are those that match, None where no fleet is known; ``copies`` are the
    targets of ``replicate`` that this fleet asks for."""

    said: str
    agents: tuple[str, ...] | None = None
    copies: tuple[str, ...] = ()
    shortfall: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """A worker, a service or an executed workflow. ``execution`` is None where it is not described; ``note`` says
    why."""

    kind: ChildKind
    index: int
    name: str
    values: Mapping[str, Json]
    execution: Execution | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class StepAhead:
    """One step. ``does`` is its operation as data, plans inside it left out; ``note`` says what is not known yet."""

    ref: str
    id: str
    name: str
    kind: str
    depth: int
    condition: str
    does: Json
    optional: bool = False
    negative: bool = False
    paused: bool = False
    hidden: bool = False
    retry: int = 0
    until: str = ""
    timeout_us: int | None = None
    children: tuple[Child, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as it will run. ``pod`` is None where the control plane conducts it itself."""

    workflow: str
    where: Where
    pod: Pod | None
    steps: tuple[StepAhead, ...]
    concurrency: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def forecast(plan: Plan, library: Library, fleet: Mapping[str, Labels] | None = None) -> Execution:
    """The tree below ``plan``. ``fleet`` holds the labels of the agents by name, where known. Never fails for what
    the documents say: a child that cannot be has a note that says why."""
    return _Forecaster(library, fleet).execution(plan, plan.target, 0)


@dataclass(slots=True)
class _Forecaster:
    library: Library
    fleet: Mapping[str, Labels] | None
    told: int = 0
    named: int = 0

    def execution(self, plan: Plan, target: Target | None, depth: int, pinned: bool = False) -> Execution:
        self.told += 1
        where = Where("the agent of its parent") if pinned else self._where(plan, target)
        return Execution(
            workflow=plan.workflow,
            where=where,
            pod=None if plan.orchestrates_only and not pinned else pod_ahead(plan),
            steps=tuple(self._steps(plan, plan.steps, target, depth, 0)),
            concurrency=_concurrency(plan),
            tags=plan.tags,
        )

    def _where(self, plan: Plan, target: Target | None) -> Where:
        if plan.orchestrates_only:
            return Where("the control plane itself")
        said = str(target) if target is not None else "any agent"
        if self.fleet is None:
            return Where(said)
        wanted = target or Target()
        found = tuple(name for name, labels in sorted(self.fleet.items()) if matches(wanted, labels))
        copies = tuple(str(copy) for copy in replicas(wanted, self.fleet)) if wanted.replicate else ()
        return Where(said, found, copies, "" if found else shortfall(wanted, self.fleet))

    def _steps(
        self, plan: Plan, steps: Sequence[Step], target: Target | None, generation: int, depth: int
    ) -> Iterator[StepAhead]:
        for step in steps:
            children, note = self._children(plan, step.body, target, generation)
            yield StepAhead(
                ref=step.ref,
                id=step.id,
                name=step.name or step.id or KINDS[type(step.body)],
                kind=KINDS[type(step.body)],
                depth=depth,
                condition=step.condition,
                does=_operation(step.body),
                optional=step.optional,
                negative=step.negative,
                paused=step.paused,
                hidden=step.hidden,
                retry=step.retry.count if step.retry is not None else 0,
                until=step.retry.until if step.retry is not None else "",
                timeout_us=step.timeout,
                children=children,
                note=note,
            )
            if isinstance(step.body, Group):
                yield from self._steps(plan, step.body.steps, target, generation, depth + 1)

    def _children(
        self, plan: Plan, body: Group | Operation, target: Target | None, generation: int
    ) -> tuple[tuple[Child, ...], str]:
        if not isinstance(body, Parallel | StartServices | Execute):
            return (), ""
        if generation >= MAX_DEPTH:
            return (), f"workflows execute each other {MAX_DEPTH} deep: is one its own descendant?"
        try:
            specs = expand(body, {})
        except BadSpread as open_yet:
            return self._template_of(body, generation), f"how many is known only when it runs: {open_yet}"
        self.named += len(specs)
        if self.named > MAX_NAMED:
            return (), f"{len(specs)} children, left out: {MAX_NAMED} are named already"
        found: list[Child] = []
        for spec in specs:
            found += self._child(plan, body, spec, target, generation)
        return tuple(found), ""

    def _template_of(self, body: Parallel | StartServices | Execute, generation: int) -> tuple[Child, ...]:
        """Workers whose number is open: one of them, its values open too."""
        if not isinstance(body, Parallel):
            return ()
        inner = self.execution(body.worker, None, generation + 1, pinned=True)
        return (Child(ChildKind.WORKER, 0, "each worker", {}, inner),)

    def _child(
        self, plan: Plan, body: Parallel | StartServices | Execute, spec: ChildSpec, target: Target | None, depth: int
    ) -> list[Child]:
        bare = Child(spec.kind, spec.index, spec.description or f"{spec.kind} {spec.index}", _values(spec.variables))
        match body:
            case Parallel(worker=worker):
                return [self._described(bare, lambda: self._inside(worker, spec, depth))]
            case StartServices(services=services):
                service = services[spec.item]
                return [
                    self._described(replace(bare, name=service.name), lambda: self._inside(service.worker, spec, depth))
                ]
            case Execute(items=items):
                above = replace(target, replicate=()) if plan.orchestrates_only and target is not None else None
                wanted = items[spec.item].target
                return [
                    self._described(replace(bare, name=name), lambda: self._executed(name, spec, wanted, above, depth))  # noqa: B023
                    for name in self._names(spec)
                ]

    def _described(self, child: Child, describe: Callable[[], Execution]) -> Child:
        """The child with its execution, or with the reason why there is none."""
        if self.told >= MAX_EXECUTIONS:
            return replace(child, note=f"only named: {MAX_EXECUTIONS} executions are described already")
        try:
            return replace(child, execution=describe())
        except InvalidDocument as refused:
            return replace(child, note="; ".join(str(problem) for problem in refused.problems[:3]))
        except (LookupError, ValueError, ExpressionError) as error:
            return replace(child, note=str(error.args[0]) if error.args else str(error))

    def _inside(self, worker: Plan, spec: ChildSpec, depth: int) -> Execution:
        return self.execution(bind(worker, spec.variables), None, depth + 1, pinned=True)

    def _names(self, spec: ChildSpec) -> list[str]:
        """The workflows that one entry means. A selector that finds none is a name that nobody has."""
        if not spec.selector:
            return [spec.workflow]
        labels = ", ".join(f"{key}={value}" for key, value in sorted(spec.selector.items()))
        return list(self.library.select(spec.selector)) or [f"labels {labels}"]

    def _executed(
        self, name: str, spec: ChildSpec, wanted: Target | None, above: Target | None, depth: int
    ) -> Execution:
        inner = self.library.plan(name, spec.config)
        own = bind_part(wanted, spec.variables)
        return self.execution(inner, own or inner.target or above, depth + 1)


def _values(variables: Mapping[str, Json]) -> dict[str, Json]:
    """What tells a child from its siblings."""
    found: dict[str, Json] = {}
    if variables.get("matrix"):
        found["matrix"] = variables["matrix"]
    if variables.get("shard"):
        found["shard"] = variables["shard"]
    return found


def _operation(body: Group | Operation) -> Json:
    """The operation as data, without the plans and steps inside it."""
    if isinstance(body, Group):
        return {}
    if isinstance(body, Parallel):
        body = replace(body, worker=Plan("", ()))
    elif isinstance(body, StartServices):
        body = StartServices(tuple(replace(service, worker=Plan("", ())) for service in body.services))
    hint: Any = type(body)
    data: Any = encoder(hint)(body)
    for each in (data, *data.get("services", ())):
        each.pop("worker", None)
    return cast(Json, data)


def _concurrency(plan: Plan) -> str:
    limit = plan.concurrency
    if limit is None:
        return ""
    what = f"the group {limit.group}" if limit.group else "this workflow"
    ending = "; a new one ends the oldest" if limit.cancel_in_progress else ""
    return f"at most {limit.max} of {what} at once{ending}"
