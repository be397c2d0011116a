"""Views of what is: runs, executions, agents, artifacts. Reads only.

Called by control_plane.web and by the services that tell people something (watching, comparison, explanations). Each
answer is made of one consistent look at the store. Knows nothing of HTTP.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from control_plane.ports.journals import Position
from control_plane.ports.records import (
    AgentRow,
    AgentState,
    DocumentKind,
    EntryRow,
    ExecutionRow,
    Glance,
)
from control_plane.ports.store import Store, Unit
from control_plane.services.artifacts import shown
from control_plane.services.shapes import Fleet, artifact_view, document_view, execution_view, run_view
from control_plane.services.steps import Course, Skeleton, skeleton, viewed
from workflow.entries import from_data
from workflow.identifiers import AgentName, ExecutionId, RunId
from workflow.journal import Entry
from workflow.plan.encode import from_bytes
from workflow.states import ExecutionState
from workflow.views import (
    AgentView,
    ArtifactView,
    DocumentView,
    ExecutionView,
    RunView,
    moment,
)

STEP_FINISHED: Final = "step_finished"
"""The kind of the entries that end a step (workflow.entries)."""
MAX_PLANS: Final = 1000
"""Plans that are kept decoded."""

FEW: Final = 100
"""Agents up to which they are asked for one by one."""
MAX_OPEN: Final = 100_000
"""Open executions that are counted."""

_LIVE: Final = tuple(state for state in ExecutionState if state.live)
_OPEN: Final = tuple(state for state in ExecutionState if not state.final)


class Presence(Protocol):
    """Who knows which agents are connected now: the sessions service."""

    def connected(self) -> frozenset[AgentName]:
        """Who has an open session."""
        ...


class Queries:
    """See the module."""

    def __init__(self, store: Store, presence: Presence) -> None:
        self._store = store
        self._presence = presence
        self._plans: dict[ExecutionId, Skeleton] = {}

    async def run(self, run: str) -> RunView | None:
        """A run by id or name, with its executions and their steps."""
        return await self._store.read(lambda unit: self._run(unit, run))

    async def run_alone(self, run: str) -> RunView | None:
        """The same, without its executions."""

        def look(unit: Unit) -> RunView | None:
            row = unit.runs.find(run)
            glances = unit.executions.glances([row.id]) if row else ()
            return run_view(row, glances, _fleet(unit, glances)) if row else None

        return await self._store.read(look)

    async def runs(self, limit: int = 50, workflow: str | None = None) -> tuple[RunView, ...]:
        """The newest runs first, without their executions."""

        def look(unit: Unit) -> tuple[RunView, ...]:
            rows = unit.runs.latest(limit, workflow=workflow)
            glances: dict[RunId, list[Glance]] = {row.id: [] for row in rows}
            everything = unit.executions.glances(glances)
            for glance in everything:
                glances[glance.run].append(glance)
            fleet = _fleet(unit, everything)
            return tuple(run_view(row, glances[row.id], fleet) for row in rows)

        return await self._store.read(look)

    async def execution(self, execution: str) -> ExecutionView | None:
        """One execution by id or name (the newest that is called so), with its steps."""

        def look(unit: Unit) -> ExecutionView | None:
            row = unit.executions.find(execution)
            return self._execution(unit, row, _fleet(unit, [row])) if row else None

        return await self._store.read(look)

    async def as_of(self, row: ExecutionRow, place: Position | None = None) -> ExecutionView:
        """An execution as ``row`` has it, with its steps as they were at ``place`` of its journal (None: as they
        are)."""
        return await self._store.read(lambda unit: self._execution(unit, row, _fleet(unit, [row]), place))

    async def bare(self, row: ExecutionRow) -> ExecutionView:
        """An execution as ``row`` has it, without its steps."""
        return await self._store.read(lambda unit: execution_view(row, _fleet(unit, [row]), ()))

    async def course(self, row: ExecutionRow, place: Position) -> Course | None:
        """The steps of the row's attempt as they were at ``place`` of its journal; None where it has no plan."""

        def look(unit: Unit) -> Course | None:
            bones = self._skeleton(unit, row.id)
            return Course(bones, self._entries(unit, row, place)) if bones else None

        return await self._store.read(look)

    async def end_of_step(self, execution: str, attempt: int, ref: str) -> int | None:
        """The number of the journal entry that last said that the step ended; None where none did."""

        def look(unit: Unit) -> int | None:
            entries = unit.entries.of(ExecutionId(execution), attempt)
            ends = [one.seq for one in entries if one.kind == STEP_FINISHED and one.body.get("ref") == ref]
            return max(ends, default=None)

        return await self._store.read(look)

    async def executions(
        self, *, run: str | None = None, state: ExecutionState | None = None, limit: int = 100
    ) -> tuple[ExecutionView, ...]:
        """Of a run, or the open ones (or those in ``state``) of all runs; without steps."""

        def look(unit: Unit) -> tuple[ExecutionView, ...]:
            if run is None:
                rows = unit.executions.in_states([state] if state else _OPEN, limit=limit)
            else:
                found = unit.runs.find(run)
                rows = unit.executions.of_run(found.id) if found else ()
                rows = [row for row in rows if state in (None, row.state)][:limit]
            fleet = _fleet(unit, rows)
            return tuple(execution_view(row, fleet, ()) for row in rows)

        return await self._store.read(look)

    async def artifacts(self, run: str) -> tuple[ArtifactView, ...] | None:
        """The artifacts of all executions of a run, of each execution's present attempt."""

        def look(unit: Unit) -> tuple[ArtifactView, ...] | None:
            row = unit.runs.find(run)
            if row is None:
                return None
            executions = unit.executions.of_run(row.id)
            fleet = _fleet(unit, executions)
            return tuple(
                artifact_view(artifact, execution, fleet)
                for execution in executions
                for artifact in shown(unit, execution.id)
                if artifact.attempt == execution.attempt
            )

        return await self._store.read(look)

    async def open_states(self) -> Counter[ExecutionState]:
        """How many executions stand in each state that is not final."""
        rows = await self._store.read(lambda unit: unit.executions.in_states(_OPEN, limit=MAX_OPEN))
        return Counter(row.state for row in rows)

    async def documents(self, kind: DocumentKind) -> tuple[DocumentView, ...]:
        """All of a kind by name, without their texts."""
        rows = await self._store.read(lambda unit: unit.catalog.list(kind))
        return tuple(document_view(row).model_copy(update={"text": ""}) for row in rows)

    async def document(self, kind: DocumentKind, name: str) -> DocumentView | None:
        """One with its text."""
        row = await self._store.read(lambda unit: unit.catalog.get(kind, name))
        return document_view(row) if row else None

    async def alive(self) -> None:
        """Raises Unavailable where the store cannot be read."""
        await self._store.read(lambda unit: unit.runs.latest(1))

    async def agents(self) -> tuple[AgentView, ...]:
        """By name."""

        def look(unit: Unit) -> tuple[Sequence[AgentRow], Counter[str]]:
            live = unit.executions.in_states(_LIVE)
            return unit.fleet.list(), Counter(row.agent for row in live if row.agent)

        rows, loads = await self._store.read(look)
        return tuple(self._agent(row, loads[row.name]) for row in rows)

    async def agent(self, name: str) -> AgentView | None:
        """One agent."""
        return next((agent for agent in await self.agents() if agent.name == name), None)

    def _agent(self, row: AgentRow, load: int) -> AgentView:
        gone = row.state is AgentState.REVOKED
        return AgentView(
            name=row.name,
            state=row.state.value,
            connected=not gone and row.name in self._presence.connected(),
            labels=dict(row.labels),
            load=load,
            max_concurrent=row.max_concurrent,
            last_seen=moment(row.last_seen),
            created_at=moment(row.created_at),
            version=row.version,
            executor=row.executor,
            skew_ms=row.skew / 1000,
        )

    def _run(self, unit: Unit, text: str) -> RunView | None:
        row = unit.runs.find(text)
        if row is None:
            return None
        rows = unit.executions.of_run(row.id)
        fleet = _fleet(unit, rows)
        view = run_view(row, rows, fleet)
        return view.model_copy(update={"executions": tuple(self._execution(unit, one, fleet) for one in rows)})

    def _execution(self, unit: Unit, row: ExecutionRow, fleet: Fleet, place: Position | None = None) -> ExecutionView:
        bones = self._skeleton(unit, row.id)
        steps = viewed(bones, self._entries(unit, row, place), row.state) if bones else ()
        return execution_view(row, fleet, steps)

    def _entries(self, unit: Unit, row: ExecutionRow, place: Position | None) -> Iterator[Entry]:
        """The structural entries of the row's attempt, up to ``place``."""
        entries = unit.entries.of(row.id, row.attempt) if row.attempt else ()
        told = (entry for entry in entries if place is None or _position(entry) <= place)
        return (from_data(entry.kind, entry.body) for entry in told)

    def _skeleton(self, unit: Unit, execution: ExecutionId) -> Skeleton | None:
        bones = self._plans.get(execution)
        if bones is None:
            plan = unit.executions.plan(execution)
            if plan is None or not plan.plan:
                return None
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            bones = self._plans[execution] = skeleton(from_bytes(plan.plan))
        return bones


def _fleet(unit: Unit, rows: Iterable[ExecutionRow | Glance]) -> Fleet:
    """As much of the fleet as views of these executions need."""
    names = {row.agent for row in rows if row.agent}
    if len(names) > FEW:
        return {agent.name: agent for agent in unit.fleet.list()}
    return {agent.name: agent for name in names if (agent := unit.fleet.get(name)) is not None}


def _position(entry: EntryRow) -> Position:
    return Position(entry.attempt.number, entry.seq)
