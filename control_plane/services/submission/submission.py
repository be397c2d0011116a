"""Runs begin here. Called by control_plane.web.

One submission: parse, resolve, plan, expand ``replicate``, then one unit of work for the run and its root executions.
What is returned is durable; the commit itself wakes the routing. The same key of the same actor gives the same run
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from control_plane.ports.clock import Clock
from control_plane.ports.records import Actor, RunRow
from control_plane.ports.store import Store, Unit
from control_plane.services.blueprint import Blueprint, Identity, blueprint_of, check_size, facts, rows_of
from control_plane.services.commits import Commits, Draft
from control_plane.services.durations import Durations
from control_plane.services.endings import end
from control_plane.services.entrusted import NO_VALUES
from control_plane.services.submission.asked import asked
from control_plane.services.submission.planning import Planning, Shelf, Unrunnable, shelf_for
from control_plane.services.submission.targets import Fleet, copies, copy_name, fleet_of, merged, unmatched
from control_plane.services.supervision import Supervision
from workflow.identifiers import ExecutionId, Instant, RunId
from workflow.labels import Target
from workflow.plan.nodes import Json, Plan
from workflow.states import ExecutionState
from workflow.views import NewRun

SMALL: Final = 16 * 1024
"""Characters of a document that is parsed at once; a larger one is parsed in a thread, so that others need not wait."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One root execution to be. ``suffix`` tells it from its siblings."""

    id: ExecutionId
    blueprint: Blueprint
    suffix: str = ""


class Submission:
    """Starts runs and steers them."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        commits: Commits,
        planning: Planning,
        supervision: Supervision,
        durations: Durations,
    ) -> None:
        self._store = store
        self._clock = clock
        self._commits = commits
        self._planning = planning
        self._supervision = supervision
        self._durations = durations

    async def submit(self, new: NewRun, actor: Actor) -> RunId:
        """A new run, or that of the same key.

        InvalidDocument with all problems; LookupError where there is no such workflow or no agent may ever match;
        ValueError; each with a sentence. Unavailable: nothing was stored.
        """
        big = new.document is not None and len(new.document) > SMALL
        wanted = await asyncio.to_thread(asked, new) if big else asked(new)
        names = () if wanted.workflow is not None else (wanted.name,)

        def look(unit: Unit) -> tuple[RunRow | None, Shelf]:
            earlier = unit.runs.by_key(actor, new.key) if new.key is not None else None
            return earlier, shelf_for(unit, names)

        earlier, shelf = await self._store.read(look)
        if earlier is not None:
            return earlier.id
        planned = await self._planning.of_run(wanted, shelf)
        run = await self.start(
            planned.plan,
            actor,
            shelf.fleet,
            target=wanted.target,
            tags=wanted.tags,
            key=new.key,
            secrets=planned.secrets,
        )
        return run.id

    async def start(
        self,
        plan: Plan,
        actor: Actor,
        fleet: Fleet | None = None,
        *,
        target: Target | None = None,
        tags: Mapping[str, str] | None = None,
        key: str | None = None,
        secrets: Mapping[str, str] = NO_VALUES,
    ) -> RunRow:
        """Start a run of a plan. ``target`` stands above the plan's own; ``fleet`` is read where it is not given;
        ``secrets`` are the values that the plan names. Unrunnable where no agent matches and one must; TooLarge."""
        whole = merged(plan.target, target)
        if fleet is None:
            fleet = await self._store.read(fleet_of)
        if refused := unmatched(whole, fleet):
            raise Unrunnable(refused)
        blueprint = blueprint_of(plan, target=whole)
        blueprint = replace(blueprint, secrets=self._planning.sealed(blueprint.plan, secrets))
        labels = whole.replicate if whole is not None else ()
        roots = [
            Copy(ExecutionId(self._clock.fresh_id()), replace(blueprint, target=one), copy_name(one, labels))
            for one in copies(whole, fleet)
        ]
        now = self._clock.now()
        row = RunRow(
            id=RunId(self._clock.fresh_id()),
            name="",
            number=0,
            workflow=plan.workflow,
            actor=actor,
            created_at=now,
            key=key,
            tags={**plan.tags, **(tags or {})},
        )
        history = await self._durations.variables(plan.workflow, plan.annotations)
        return await self._commits.write(lambda draft: _store_run(draft, row, roots, history, now))

    async def refused(self, new: NewRun, actor: Actor, reason: str) -> RunRow:
        """A run that could not be, for a wish that nobody waits for: it is aborted at once and says why, so that it is
        seen where runs are looked at. The same key gives the run that there is. Unavailable."""
        now, name = self._clock.now(), new.workflow or ""
        row = RunRow(
            id=RunId(self._clock.fresh_id()),
            name="",
            number=0,
            workflow=name,
            actor=actor,
            created_at=now,
            key=new.key,
            tags=dict(new.tags),
        )
        root = Copy(ExecutionId(self._clock.fresh_id()), blueprint_of(Plan(name, ())))
        return await self._commits.write(lambda draft: _store_run(draft, row, [root], {}, now, refused=reason))

    # --- steering ------------------------------------------------------------------------------------------------

    async def cancel(self, run: RunId, reason: str) -> None:
        """End it as canceled; a run that is over stays as it is."""
        await self._supervision.cancel(run, reason)

    async def pause(self, run: RunId) -> None:
        """Start no further step."""
        await self._supervision.pause(run)

    async def resume(self, run: RunId) -> None:
        """Go on."""
        await self._supervision.resume(run)


def _store_run(
    draft: Draft, row: RunRow, roots: Sequence[Copy], history: Mapping[str, Json], now: Instant, *, refused: str = ""
) -> RunRow:
    if row.key is not None:
        earlier = draft.unit.runs.by_key(row.actor, row.key)
        if earlier is not None:
            return earlier
    number = draft.unit.runs.next_number(row.workflow)
    run = replace(row, number=number, name=f"{row.workflow}-{number}")
    draft.add_run(run)
    for copy in roots:
        name = f"{run.name}-{copy.suffix}" if copy.suffix and len(roots) > 1 else run.name
        who = Identity(copy.id, name, number, run.id)
        rows = rows_of(copy.blueprint, who, {**history, **facts(copy.blueprint, who, run, now)}, now)
        check_size(*rows)
        draft.add(*rows)
        if refused:
            end(draft, rows[0], ExecutionState.ABORTED, refused, now)
    return run
