"""Children of a step as blueprints. Pure but for the documents handed in; used by planning in a worker thread.

A worker or service is a plan inside its parent's plan. An executed workflow is planned from the catalog with the
parameters of its entry. A selector or ``replicate`` that means several executions becomes one child that orchestrates
them, so that every wish has exactly one child.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from control_plane.ports.records import Host
from control_plane.services.blueprint import Blueprint, blueprint_of
from control_plane.services.entrusted import Unreadable, handed_down
from control_plane.services.submission.targets import Fleet, copies, filled, unmatched
from workflow.balance import VARIABLE
from workflow.expressions import ExpressionError, Unresolved, escape, render, scope
from workflow.identifiers import StepRef
from workflow.journal import ChildKind, ChildSpec
from workflow.labels import Target
from workflow.plan.bind import bind
from workflow.plan.nodes import (
    Execute,
    ExecuteItem,
    Json,
    Operation,
    Parallel,
    Plan,
    Service,
    StartServices,
    Step,
    walk,
)
from workflow.plan.texts import mentions
from workflow.problems import InvalidDocument
from workflow.resolve import NOTHING, HandedDown


class Impossible(ValueError):
    """This child cannot be. A sentence."""


@dataclass(frozen=True, slots=True)
class Parent:
    """What children take from their parent. ``target``: of a parent that the control plane conducts, for children
    that have none."""

    plan: Plan
    variables: Mapping[str, Json]
    target: Target | None = None
    secrets: Callable[[], Mapping[str, str]] = dict  # opens the values that its plan names. Unreadable

    def operation(self, ref: StepRef) -> Operation | None:
        """The operation of the step."""
        for step in walk(self.plan.steps):
            if step.ref == ref:
                return step.body if isinstance(step.body, Operation) else None
        return None


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the values that it names as ``secret("muster.dev/config", key)``."""

    plan: Plan
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


Plans = Callable[[str, Mapping[str, Json], HandedDown], Planned]
"""Plans a workflow of the catalog with parameters. LookupError, InvalidDocument."""
Seal = Callable[[bytes, Mapping[str, str]], bytes]
"""Seals those of the values that an encoded plan names."""
Selection = Callable[[Mapping[str, str]], tuple[str, ...]]
"""The names of the workflows of the catalog with these labels."""


@dataclass(frozen=True, slots=True)
class Conception:
    """A child as far as it is known before it is written."""

    blueprint: Blueprint
    variables: Mapping[str, Json] = field(default_factory=dict)
    name: str = ""
    problem: str = ""


class Siblings:
    """The children that one parent wants; what several of them share is planned once."""

    def __init__(self, parent: Parent, fleet: Fleet, plans: Plans, selected: Selection, seal: Seal) -> None:
        self._parent = parent
        self._fleet = fleet
        self._plans = plans
        self._selected = selected
        self._seal = seal
        self._opened: Mapping[str, str] | None = None
        self._planned: dict[tuple[str, str], Planned] = {}
        self._inner: dict[tuple[StepRef, int], Blueprint] = {}

    def conceive(self, ref: StepRef, spec: ChildSpec) -> Conception:
        """The child of step ``ref``. Never fails: what cannot be has a problem in words."""
        try:
            if spec.kind is ChildKind.WORKFLOW:
                return self._executed(ref, spec)
            inherited = {name: value for name, value in self._parent.variables.items() if name != VARIABLE}
            variables = {**inherited, **spec.variables}
            return Conception(self._inside(ref, spec, variables), {**variables, **self._history(ref, spec)})
        except InvalidDocument as refused:
            problem = "; ".join(str(each) for each in refused.problems[:3])
        except ExpressionError as error:
            problem = f"its target, name or parameters cannot be filled in: {error}"
        except Unreadable as error:
            problem = f"its parent's sensitive parameters cannot be read: {error}"
        except (LookupError, ValueError) as error:
            problem = str(error.args[0]) if error.args else str(error)
        nothing = Plan(spec.workflow or self._parent.plan.workflow, ())
        return Conception(blueprint_of(nothing), problem=problem)

    # --- workers and services ------------------------------------------------------------------------------------

    def _inside(self, ref: StepRef, spec: ChildSpec, variables: Mapping[str, Json]) -> Blueprint:
        """The plan inside the parent's plan, with what the child alone knows in its texts."""
        plan = self._plan_inside(ref, spec)
        if mentions(plan, frozenset(variables)):
            return self._entrusted(blueprint_of(bind(plan, variables)), self._values())
        key = (ref, spec.item)
        if key not in self._inner:
            self._inner[key] = self._entrusted(blueprint_of(plan), self._values())
        return self._inner[key]

    def _history(self, ref: StepRef, spec: ChildSpec) -> Mapping[str, Json]:
        """The durations that balance shards (workflow.balance), for a child that has shards of its own. They are large,
        and there may be thousands of children."""
        history = self._parent.variables.get(VARIABLE)
        return {VARIABLE: history} if history is not None and _has_shards(self._plan_inside(ref, spec)) else {}

    def _values(self) -> Mapping[str, str]:
        """The parent's sensitive parameters. Unreadable."""
        if self._opened is None:
            self._opened = self._parent.secrets()
        return self._opened

    def _entrusted(self, blueprint: Blueprint, values: Mapping[str, str]) -> Blueprint:
        """The blueprint with those of the values that its plan names."""
        return replace(blueprint, secrets=self._seal(blueprint.plan, values)) if values else blueprint

    def _plan_inside(self, ref: StepRef, spec: ChildSpec) -> Plan:
        operation = self._parent.operation(ref)
        if spec.kind is ChildKind.WORKER and isinstance(operation, Parallel):
            return operation.worker
        if (
            spec.kind is ChildKind.SERVICE
            and isinstance(operation, StartServices)
            and spec.item < len(operation.services)
        ):
            return operation.services[spec.item].worker
        raise Impossible(f"step {ref} has no {spec.kind.value} {spec.item}")

    # --- executed workflows --------------------------------------------------------------------------------------

    def _executed(self, ref: StepRef, spec: ChildSpec) -> Conception:
        operation = self._parent.operation(ref)
        if not isinstance(operation, Execute) or spec.item >= len(operation.items):
            raise Impossible(f"step {ref} executes no workflow {spec.item}")
        item = operation.items[spec.item]
        names = {**self._parent.variables, **spec.variables}
        target = filled(item.target, names) if item.target is not None else None
        name = _title(item.execution_name, names)
        if spec.selector:
            return self._fan_out(spec, self._matching(spec), (target,), name)
        planned = self._plan(spec.workflow, spec)
        target = target or planned.plan.target or self._inherited()
        if refused := unmatched(target, self._fleet):
            raise Impossible(refused)
        targets = copies(target, self._fleet)
        if len(targets) > 1:
            return self._fan_out(spec, (spec.workflow,), targets, name)
        blueprint = blueprint_of(planned.plan, target=targets[0])
        return Conception(self._entrusted(blueprint, planned.secrets), name=name)

    def _matching(self, spec: ChildSpec) -> tuple[str, ...]:
        found = self._selected(spec.selector)
        if not found:
            labels = ", ".join(f"{key}={value}" for key, value in sorted(spec.selector.items()))
            raise Impossible(f"no workflow has the labels {labels}")
        return found

    def _plan(self, workflow: str, spec: ChildSpec) -> Planned:
        key = (workflow, json.dumps([dict(spec.config), dict(spec.references)], sort_keys=True))
        if key not in self._planned:
            handed = handed_down(spec.references, self._values()) if spec.references else NOTHING
            self._planned[key] = self._plans(workflow, spec.config, handed)
        return self._planned[key]

    def _inherited(self) -> Target | None:
        own = self._parent.target
        return replace(own, replicate=()) if own is not None else None

    def _fan_out(
        self, spec: ChildSpec, workflows: tuple[str, ...], targets: tuple[Target | None, ...], name: str
    ) -> Conception:
        """One child that executes ``workflows`` at ``targets``."""
        config = {**{key: _literal(value) for key, value in spec.config.items()}, **spec.references}
        items = tuple(
            ExecuteItem(workflow, config=config, target=target) for workflow in workflows for target in targets
        )
        title = spec.workflow or ",".join(f"{key}={value}" for key, value in sorted(spec.selector.items()))
        step = Step(StepRef("1"), Execute(items), name=f"Execute {title}")
        plan = Plan(workflow=spec.workflow or "selection", steps=(step,), description=spec.description)
        blueprint = replace(blueprint_of(plan, target=self._inherited()), host=Host.CONTROL_PLANE)
        return Conception(self._entrusted(blueprint, self._values() if spec.references else {}), name=name)


def _has_shards(plan: Plan) -> bool:
    """Whether steps of the plan, or of workers and services inside it, slice shards."""
    for step in walk(plan.steps):
        spreading: tuple[Parallel | Service, ...] = ()
        if isinstance(step.body, Parallel):
            spreading = (step.body,)
        elif isinstance(step.body, StartServices):
            spreading = step.body.services
        if any(each.spread.shards or _has_shards(each.worker) for each in spreading):
            return True
    return False


def _literal(value: Json) -> Json:
    """A parameter's value as a template that gives it again."""
    return escape(value) if isinstance(value, str) and "{{" in value else value


def _title(text: str, names: Mapping[str, Json]) -> str:
    if not text or "{{" not in text:
        return text[:253]
    return render(text, scope(names), Unresolved.FAIL).string[:253]
