"""Children: what a step's wish for them becomes.

Called by progress and orchestration in two steps. ``Nursery.prepare`` runs outside the unit of work, since parsing
and planning take time; ``bear`` runs inside and writes the rows. A child that cannot be (an unknown workflow, a bad
parameter) is an execution that ended at once with a reason in words, never an exception: its parent decides what that
means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from control_plane.ports.records import ChildPlace, ExecutionRow, RunRow
from control_plane.services.blueprint import Blueprint, Identity, TooLarge, check_size, facts, rows_of
from control_plane.services.commits import Draft
from control_plane.services.endings import end, stop
from workflow.identifiers import Attempt, ExecutionId, Instant, StepRef
from workflow.journal import ChildKind, ChildrenWanted, ChildSpec, Record
from workflow.plan.nodes import Json
from workflow.run import MAX_CHILDREN, TooDeep, child_depth, place_index
from workflow.states import ExecutionState


@dataclass(frozen=True, slots=True)
class Birth:
    """A child to be. ``problem`` says why it ends at once; its blueprint is empty then."""

    id: ExecutionId
    blueprint: Blueprint
    variables: Mapping[str, Json] = field(default_factory=dict)
    name: str = ""  # empty: after its workflow and number, or its parent and place
    paused: bool = False
    problem: str = ""


Births = Mapping[tuple[StepRef, int], Birth]
NO_BIRTHS: Births = {}


class Nursery(Protocol):
    """Prepares children. The planning service of submission implements it."""

    async def prepare(self, attempt: Attempt, wanted: Sequence[ChildrenWanted]) -> Births:
        """One Birth for each child that these entries of the attempt want. Never fails for what they say; raises
        Unavailable."""
        ...


def wishes(records: Sequence[Record]) -> list[ChildrenWanted]:
    """The entries among ``records`` that want children."""
    return [record.entry for record in records if isinstance(record.entry, ChildrenWanted)]


def bear(draft: Draft, parent: ExecutionRow, wanted: ChildrenWanted, births: Births, now: Instant) -> None:
    """Write the children that are wanted and do not exist yet. Where the parent is to stop they are canceled at
    once."""
    run = draft.unit.runs.get(parent.run)
    for spec in wanted.children:
        place = ChildPlace(parent.id, wanted.ref, place_index(parent.attempt, spec.index), spec.kind)
        birth = births.get((wanted.ref, spec.index))
        if run is None or birth is None or draft.unit.executions.at(place) is not None:
            continue
        if spec.index >= MAX_CHILDREN:
            stop(
                draft, parent, ExecutionState.ABORTED, f"step {wanted.ref} wants more than {MAX_CHILDREN} children", now
            )
            return
        _bear_one(draft, parent, run, spec, birth, place, now)


def _bear_one(
    draft: Draft, parent: ExecutionRow, run: RunRow, spec: ChildSpec, birth: Birth, place: ChildPlace, now: Instant
) -> None:
    problem, depth = birth.problem, parent.depth + 1
    try:
        depth = child_depth(parent.depth)
    except TooDeep as too_deep:
        problem = str(too_deep)
    routed = spec.kind is ChildKind.WORKFLOW
    name, number = birth.name or f"{parent.name}-{place.ref.replace('.', '-')}-{spec.index}", 0
    if routed and not problem:
        number = draft.unit.runs.next_number(birth.blueprint.workflow)
        name = birth.name or f"{birth.blueprint.workflow}-{number}"
    who = Identity(birth.id, name, number, run.id, place, depth)
    own = facts(birth.blueprint, who, run, now) if routed else {}
    row, plan = rows_of(
        birth.blueprint,
        who,
        {**own, **birth.variables},
        now,
        pinned=None if routed else parent.agent,
        transfers=spec.transfers,
        paused=birth.paused,
        description=spec.description,
    )
    try:
        check_size(row, plan)
    except TooLarge as too_large:
        problem = problem or str(too_large)
    draft.add(row, plan)
    if parent.stop is not None:
        end(draft, row, ExecutionState.CANCELED, f"its parent was stopped: {parent.stop[1]}", now)
    elif problem:
        end(draft, row, ExecutionState.ABORTED, problem, now)
