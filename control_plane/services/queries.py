"""Views of what is: runs, executions, agents, artifacts. Reads only.

Called by control_plane.web and by the services that tell people something (watching, comparison, explanations). Each
answer is made of one consistent look at the store. Knows nothing of HTTP.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from control_plane.ports.journals import Position
from control_plane.ports.records import (
    AgentRow,
    AgentState,
    ArtifactRow,
    DocumentKind,
    DocumentRow,
    EntryRow,
    ExecutionRow,
    Glance,
    Host,
    RunRow,
)
from control_plane.ports.store import Store, Unit
from control_plane.services.artifacts import shown
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
    PlaceView,
    RunView,
    StepView,
    milliseconds,
    moment,
)

ENVIRONMENT: Final = "environment"
"""The label that names an agent's environment."""
STEP_FINISHED: Final = "step_finished"
"""The kind of the entries that end a step (workflow.entries)."""
MAX_PLANS: Final = 1000
"""Plans that are kept decoded."""

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
        return await self._store.read(lambda unit: self._run(unit, run, steps=True))

    async def run_alone(self, run: str) -> RunView | None:
        """The same, without its executions."""
        view = await self._store.read(lambda unit: self._run(unit, run, steps=False))
        return view and view.model_copy(update={"executions": ()})

    async def runs(self, limit: int = 50, workflow: str | None = None) -> tuple[RunView, ...]:
        """The newest runs first, without their executions."""

        def look(unit: Unit) -> tuple[RunView, ...]:
            fleet = _fleet(unit)
            rows = unit.runs.latest(limit, workflow=workflow)
            glances: dict[RunId, list[Glance]] = {row.id: [] for row in rows}
            for glance in unit.executions.glances(glances):
                glances[glance.run].append(glance)
            return tuple(run_view(row, glances[row.id], fleet) for row in rows)

        return await self._store.read(look)

    async def execution(self, execution: str) -> ExecutionView | None:
        """One execution by id or name (the newest that is called so), with its steps."""

        def look(unit: Unit) -> ExecutionView | None:
            row = unit.executions.find(execution)
            return self._execution(unit, row, _host_of(unit, row)) if row else None

        return await self._store.read(look)

    async def as_of(self, row: ExecutionRow, place: Position | None = None) -> ExecutionView:
        """An execution as ``row`` has it, with its steps as they were at ``place`` of its journal (None: as they
        are)."""
        return await self._store.read(lambda unit: self._execution(unit, row, _host_of(unit, row), place))

    async def bare(self, row: ExecutionRow) -> ExecutionView:
        """An execution as ``row`` has it, without its steps."""
        return await self._store.read(lambda unit: execution_view(row, _host_of(unit, row), ()))

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
            fleet = _fleet(unit)
            if run is None:
                rows = unit.executions.in_states([state] if state else _OPEN, limit=limit)
            else:
                found = unit.runs.find(run)
                rows = unit.executions.of_run(found.id) if found else ()
                rows = [row for row in rows if state in (None, row.state)][:limit]
            return tuple(execution_view(row, fleet, ()) for row in rows)

        return await self._store.read(look)

    async def artifacts(self, run: str) -> tuple[ArtifactView, ...] | None:
        """The artifacts of all executions of a run, of each execution's present attempt."""

        def look(unit: Unit) -> tuple[ArtifactView, ...] | None:
            row = unit.runs.find(run)
            if row is None:
                return None
            fleet = _fleet(unit)
            return tuple(
                artifact_view(artifact, execution, fleet)
                for execution in unit.executions.of_run(row.id)
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

    def _run(self, unit: Unit, text: str, *, steps: bool) -> RunView | None:
        row = unit.runs.find(text)
        if row is None:
            return None
        fleet = _fleet(unit)
        rows = unit.executions.of_run(row.id)
        view = run_view(row, rows, fleet)
        if not steps:
            return view
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


Fleet = dict[AgentName, AgentRow]


def _fleet(unit: Unit) -> Fleet:
    return {row.name: row for row in unit.fleet.list()}


def _host_of(unit: Unit, row: ExecutionRow) -> Fleet:
    """As much of the fleet as one execution's view needs."""
    agent = unit.fleet.get(row.agent) if row.agent else None
    return {agent.name: agent} if agent else {}


def _position(entry: EntryRow) -> Position:
    return Position(entry.attempt.number, entry.seq)


def run_view(row: RunRow, executions: Sequence[ExecutionRow | Glance], fleet: Fleet) -> RunView:
    """A run without its executions."""
    wheres = dict.fromkeys(where(one, fleet) for one in executions if one.host is Host.AGENT)
    return RunView(
        id=row.id,
        name=row.name,
        number=row.number,
        workflow=row.workflow,
        verdict=row.verdict,
        actor=row.actor.name,
        created_at=moment(row.created_at),
        finished_at=moment(row.finished_at),
        duration_ms=milliseconds(row.created_at, row.finished_at),
        tags=dict(row.tags),
        environments=tuple(one for one in wheres if one),
        states=dict(Counter(one.state for one in executions)),
    )


def execution_view(row: ExecutionRow, fleet: Fleet, steps: tuple[StepView, ...]) -> ExecutionView:
    """An execution with these steps."""
    agent = fleet.get(row.agent) if row.agent else None
    place = row.place
    return ExecutionView(
        id=row.id,
        run=row.run,
        name=row.name,
        workflow=row.workflow,
        state=row.state,
        place=place and PlaceView(parent=place.parent, ref=place.ref, index=place.index, kind=place.kind),
        orchestrated=row.host is Host.CONTROL_PLANE,
        agent=row.agent,
        environment=agent.labels.get(ENVIRONMENT) if agent else None,
        labels=dict(agent.labels) if agent else {},
        target=str(row.target) if row.target else "",
        attempt=row.attempt,
        reason=row.reason,
        notes=row.notes,
        description=row.description,
        created_at=moment(row.created_at),
        queued_at=moment(row.queued_at),
        assigned_at=moment(row.assigned_at),
        started_at=moment(row.started_at),
        finished_at=moment(row.finished_at),
        duration_ms=milliseconds(row.started_at, row.finished_at),
        steps=steps,
    )


def artifact_view(artifact: ArtifactRow, execution: ExecutionRow, fleet: Fleet) -> ArtifactView:
    """An artifact of an execution."""
    return ArtifactView(
        execution=artifact.execution,
        where=where(execution, fleet),
        ref=artifact.ref,
        name=artifact.name,
        size=artifact.size,
        digest=artifact.digest,
        stored_at=moment(artifact.stored_at),
    )


def document_view(row: DocumentRow) -> DocumentView:
    """A document with its text."""
    return DocumentView(
        kind=row.kind.value,
        name=row.name,
        file=row.file,
        labels=dict(row.labels),
        digest=row.digest,
        updated_at=moment(row.updated_at),
        text=row.text,
    )


def where(row: ExecutionRow | Glance, fleet: Fleet) -> str:
    """The environment in which an execution runs, else its agent, else nothing."""
    agent = fleet.get(row.agent) if row.agent else None
    return (agent.labels.get(ENVIRONMENT) if agent else None) or row.agent or ""
