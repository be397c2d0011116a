"""From documents to plans, for runs and for children. Called by submission and catalog, and by progress and
orchestration as their Nursery.

Reads the store, changes nothing. Parsing, resolving and planning take time, so they run in a worker thread.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from control_plane.ports.clock import Clock
from control_plane.ports.records import DocumentKind, DocumentRow, ExecutionRow, Host, PlanRow
from control_plane.ports.store import Store, Unit
from control_plane.ports.vault import Vault
from control_plane.services.births import Birth, Births
from control_plane.services.durations import Durations
from control_plane.services.entrusted import checked, for_plan, unsealed
from control_plane.services.submission.asked import Asked
from control_plane.services.submission.children import Parent, Planned, Siblings
from control_plane.services.submission.library import Library
from control_plane.services.submission.targets import Fleet, fleet_of
from workflow.balance import ANNOTATION
from workflow.identifiers import Attempt, ExecutionId, StepRef
from workflow.journal import ChildKind, ChildrenWanted
from workflow.model import Workflow, WorkflowTemplate
from workflow.plan.build import build
from workflow.plan.encode import from_bytes
from workflow.plan.nodes import Json, Plan
from workflow.resolve import NOTHING, HandedDown, canonical_name, resolve_with_secrets

_PLANS_KEPT: Final = 64


class Unrunnable(LookupError):
    """What was asked for cannot be run: no such workflow, no agent where one must match. A sentence for people."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What planning needs of the catalog and the fleet, read at one moment. ``names``: all workflows, where one is
    missing."""

    workflows: Mapping[str, DocumentRow]
    templates: Sequence[DocumentRow]
    fleet: Fleet
    names: Sequence[str] = ()
    row: ExecutionRow | None = None
    plan: PlanRow | None = None
    selected: Mapping[str, tuple[str, ...]] | None = None


def planned(
    workflow: Workflow,
    templates: Mapping[str, WorkflowTemplate],
    config: Mapping[str, Json],
    handed: HandedDown = NOTHING,
) -> Planned:
    """The plan of a workflow. InvalidDocument with all problems; ValueError for a parameter that is none."""
    resolution = resolve_with_secrets(workflow, templates, _scalars(config), handed=handed)
    return Planned(build(resolution.workflow), checked(resolution.secrets))


def _scalars(config: Mapping[str, Json]) -> dict[str, bool | int | float | str]:
    found: dict[str, bool | int | float | str] = {}
    for name, value in config.items():
        if not isinstance(value, bool | int | float | str):
            raise ValueError(f"the parameter {name!r} must be a text, a number or a boolean")
        found[name] = value
    return found


class Planning:
    """See the module."""

    def __init__(self, store: Store, clock: Clock, vault: Vault, durations: Durations) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._durations = durations
        self._library = Library()
        self._plans: OrderedDict[ExecutionId, Plan] = OrderedDict()

    # --- roots ---------------------------------------------------------------------------------------------------

    async def of_run(self, wanted: Asked, shelf: Shelf) -> Planned:
        """The plan of what a person asks for, whose templates stand above those of the catalog. Unrunnable;
        InvalidDocument with all problems; ValueError for a parameter that is none."""

        def work() -> Planned:
            workflow = wanted.workflow or self._found(shelf, wanted.name)
            return planned(workflow, {**self._library.templates(shelf.templates), **wanted.templates}, wanted.config)

        return await asyncio.to_thread(work)

    def _found(self, shelf: Shelf, name: str) -> Workflow:
        row = shelf.workflows.get(canonical_name(name))
        if row is None:
            near = get_close_matches(canonical_name(name), list(shelf.names), n=1)
            raise Unrunnable(f"there is no workflow {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))
        return self._library.workflow(row)

    def sealed(self, plan: bytes, values: Mapping[str, str]) -> bytes:
        """Those of the values that the encoded plan names, as the store may keep them."""
        return for_plan(self._vault, plan, values)

    # --- children ------------------------------------------------------------------------------------------------

    async def prepare(self, attempt: Attempt, wanted: Sequence[ChildrenWanted]) -> Births:
        """One Birth for each child that these entries of the attempt want. Never fails for what they say; raises
        Unavailable."""
        specs = [spec for entry in wanted for spec in entry.children]
        names = tuple(dict.fromkeys(spec.workflow for spec in specs if spec.workflow))
        selectors = [dict(spec.selector) for spec in specs if spec.selector]
        shelf = await self._store.read(lambda unit: shelf_for(unit, names, attempt.execution, selectors))
        if all(spec.kind is not ChildKind.WORKFLOW for spec in specs) and attempt.execution in self._plans:
            return self._births(attempt, shelf, wanted)
        births = await asyncio.to_thread(self._births, attempt, shelf, wanted)
        return await self._with_histories(births, shelf)

    async def _with_histories(self, births: Births, shelf: Shelf) -> Births:
        """The births; those whose shards are balanced know how long tests took before."""
        asking = {birth.blueprint.workflow: birth.blueprint for birth in births.values() if _asks(birth)}
        if not asking or shelf.row is None:
            return births
        of = shelf.row.run
        run = await self._store.read(lambda unit: unit.runs.get(of))
        known = {
            name: await self._durations.variables(name, blueprint.annotations, run.workflow if run else "")
            for name, blueprint in asking.items()
        }
        return {
            place: replace(birth, variables={**birth.variables, **known[birth.blueprint.workflow]})
            if _asks(birth)
            else birth
            for place, birth in births.items()
        }

    def _births(self, attempt: Attempt, shelf: Shelf, wanted: Sequence[ChildrenWanted]) -> Births:
        if shelf.row is None or shelf.plan is None:
            return {}
        hosted = shelf.row.host is Host.CONTROL_PLANE
        plan = self._plan_of(attempt.execution, shelf.plan.plan)
        secrets = shelf.plan.secrets
        parent = Parent(
            plan, shelf.plan.variables, shelf.row.target if hosted else None, lambda: unsealed(self._vault, secrets)
        )
        templates: dict[str, WorkflowTemplate] = {}

        def plans(name: str, config: Mapping[str, Json], handed: HandedDown) -> Planned:
            if not templates:
                templates.update(self._library.templates(shelf.templates))
            return planned(self._found(shelf, name), templates, config, handed)

        def selected(labels: Mapping[str, str]) -> tuple[str, ...]:
            return (shelf.selected or {}).get(_selector(labels), ())

        siblings = Siblings(parent, shelf.fleet, plans, selected, self.sealed)
        births: dict[tuple[StepRef, int], Birth] = {}
        for entry in wanted:
            for spec in entry.children:
                child = siblings.conceive(entry.ref, spec)
                own = ExecutionId(self._clock.fresh_id())
                births[(entry.ref, spec.index)] = Birth(
                    own, child.blueprint, child.variables, child.name, problem=child.problem
                )
        return births

    def _plan_of(self, execution: ExecutionId, data: bytes) -> Plan:
        plan = self._plans.get(execution)
        if plan is None:
            plan = self._plans[execution] = from_bytes(data)
            while len(self._plans) > _PLANS_KEPT:
                self._plans.popitem(last=False)
        return plan


def _asks(birth: Birth) -> bool:
    """Whether it wants its shards balanced."""
    return ANNOTATION in birth.blueprint.annotations


def shelf_for(
    unit: Unit,
    names: Sequence[str],
    parent: ExecutionId | None = None,
    selectors: Sequence[Mapping[str, str]] = (),
) -> Shelf:
    """What planning these workflows, or the children of ``parent``, needs."""
    selected: dict[str, tuple[str, ...]] = {}
    rows: dict[str, DocumentRow] = {}
    for labels in selectors:
        found = unit.catalog.select(dict(labels))
        selected[_selector(labels)] = tuple(row.name for row in found)
        rows.update((row.name, row) for row in found)
    for name in names:
        row = unit.catalog.get(DocumentKind.WORKFLOW, canonical_name(name))
        if row is not None:
            rows[row.name] = row
    missing = any(canonical_name(name) not in rows for name in names)
    return Shelf(
        workflows=rows,
        templates=unit.catalog.list(DocumentKind.TEMPLATE) if rows or parent is None else (),
        fleet=fleet_of(unit) if names or selectors or parent is None else {},
        names=[row.name for row in unit.catalog.list(DocumentKind.WORKFLOW)] if missing else (),
        row=unit.executions.get(parent) if parent is not None else None,
        plan=unit.executions.plan(parent) if parent is not None else None,
        selected=selected,
    )


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
