"""The collections of a unit of work on the tables.

Their methods say what those of control_plane.ports.store say.

What is executed are the texts of ``statements``, which ``generate`` makes from ``core``. Called by the store alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from control_plane.adapters.sqlite import rows, statements
from control_plane.adapters.sqlite.connection import Session
from control_plane.ports.records import (
    Actor,
    AgentRow,
    ArtifactRow,
    ChildPlace,
    DocumentKind,
    DocumentRow,
    EntryRow,
    ExecutionRow,
    Glance,
    PlanRow,
    RunRow,
)
from workflow.identifiers import AgentName, ExecutionId, Instant, RunId
from workflow.states import ExecutionState

_END_OF_TIME = 2**63 - 1


class Catalog:
    """Workflows and templates."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, row: DocumentRow) -> None:
        self._session.run(statements.DOCUMENTS_PUT, rows.document_params(row, _plain(row.name)))

    def get(self, kind: DocumentKind, name: str) -> DocumentRow | None:
        found = self._session.one(statements.DOCUMENTS_GET, {"kind": kind.value, "name": _plain(name)})
        return None if found is None else rows.document(found)

    def list(self, kind: DocumentKind) -> Sequence[DocumentRow]:
        return [rows.document(row) for row in self._session.all(statements.DOCUMENTS_LIST, {"kind": kind.value})]

    def select(self, labels: dict[str, str]) -> Sequence[DocumentRow]:
        return [row for row in self.list(DocumentKind.WORKFLOW) if labels.items() <= dict(row.labels).items()]

    def delete(self, kind: DocumentKind, name: str) -> bool:
        return self._session.run(statements.DOCUMENTS_DELETE, {"kind": kind.value, "name": _plain(name)}) > 0


class Runs:
    """Runs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: RunRow) -> None:
        self._session.run(statements.RUNS_ADD, rows.run_params(row))

    def get(self, run: RunId) -> RunRow | None:
        found = self._session.one(statements.RUNS_GET, {"the_id": run})
        return None if found is None else rows.run(found)

    def find(self, text: str) -> RunRow | None:
        found = self._session.one(statements.RUNS_GET, {"the_id": text}) or self._session.one(
            statements.RUNS_FIND, {"name": text}
        )
        return None if found is None else rows.run(found)

    def by_key(self, actor: Actor, key: str) -> RunRow | None:
        found = self._session.one(statements.RUNS_BY_KEY, {"name": actor.name, "kind": actor.kind, "key": key})
        return None if found is None else rows.run(found)

    def put(self, row: RunRow) -> None:
        if not self._session.run(statements.RUNS_PUT, rows.run_params(row)):
            raise KeyError(f"there is no run {row.id}")

    def latest(self, limit: int, before: Instant | None = None, workflow: str | None = None) -> Sequence[RunRow]:
        params = {"limit": limit, "before": before if before is not None else _END_OF_TIME, "workflow": workflow}
        sql = statements.RUNS_LATEST if workflow is None else statements.RUNS_LATEST_OF
        return [rows.run(row) for row in self._session.all(sql, params)]

    def ended(self, before: Instant, limit: int) -> Sequence[RunRow]:
        return [rows.run(row) for row in self._session.all(statements.RUNS_ENDED, {"before": before, "limit": limit})]

    def remove(self, run: RunId) -> bool:
        for statement in (
            statements.RUNS_REMOVE_EVENTS,
            statements.RUNS_REMOVE_ENTRIES,
            statements.RUNS_REMOVE_ARTIFACTS,
            statements.RUNS_REMOVE_PLANS,
            statements.RUNS_REMOVE_EXECUTIONS,
        ):
            self._session.run(statement, {"run": run})
        return self._session.run(statements.RUNS_REMOVE_RUN, {"run": run}) > 0

    def next_number(self, workflow: str) -> int:
        found = self._session.one(statements.RUNS_NEXT, {"workflow": workflow})
        assert found is not None
        return int(found[0] or 0)


class Executions:
    """Executions and their plans."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: ExecutionRow, plan: PlanRow) -> None:
        if plan.execution != row.id:
            raise ValueError(f"execution {row.id} came with the plan of {plan.execution}")
        self._session.run(statements.EXECUTIONS_ADD, rows.execution_params(row))
        self._session.run(statements.EXECUTIONS_ADD_PLAN, rows.plan_params(plan))

    def get(self, execution: ExecutionId) -> ExecutionRow | None:
        found = self._session.one(statements.EXECUTIONS_GET, {"the_id": execution})
        return None if found is None else rows.execution(found)

    def find(self, text: str) -> ExecutionRow | None:
        found = self._session.one(statements.EXECUTIONS_GET, {"the_id": text})
        found = found or self._session.one(statements.EXECUTIONS_FIND, {"name": text})
        return None if found is None else rows.execution(found)

    def glances(self, runs: Iterable[RunId]) -> Sequence[Glance]:
        found = self._session.all(statements.EXECUTIONS_GLANCES, {"runs": rows.packed(list(runs))})
        return [rows.glance(row) for row in found]

    def plan(self, execution: ExecutionId) -> PlanRow | None:
        found = self._session.one(statements.EXECUTIONS_PLAN, {"the_id": execution})
        return None if found is None else rows.plan(found)

    def put(self, row: ExecutionRow) -> None:
        if not self._session.run(statements.EXECUTIONS_PUT, rows.execution_params(row)):
            raise KeyError(f"there is no execution {row.id}")

    def of_run(self, run: RunId) -> Sequence[ExecutionRow]:
        return [rows.execution(row) for row in self._session.all(statements.EXECUTIONS_OF_RUN, {"run": run})]

    def children(self, parent: ExecutionId) -> Sequence[ExecutionRow]:
        found = [rows.execution(row) for row in self._session.all(statements.EXECUTIONS_CHILDREN, {"parent": parent})]
        return sorted(found, key=_by_place)

    def at(self, place: ChildPlace) -> ExecutionRow | None:
        found = self._session.one(
            statements.EXECUTIONS_CHILD, {"parent": place.parent, "ref": place.ref, "index": place.index}
        )
        return None if found is None else rows.execution(found)

    def in_states(
        self, states: Iterable[ExecutionState], *, agent: AgentName | None = None, limit: int = 10_000
    ) -> Sequence[ExecutionRow]:
        wanted = sorted({state.value for state in states})
        if not wanted:
            return []
        sql = statements.EXECUTIONS_IN_STATES if agent is None else statements.EXECUTIONS_IN_STATES_OF
        found = self._session.all(sql, {"states": rows.packed(wanted), "agent": agent, "limit": limit})
        return [rows.execution(row) for row in found]


class Entries:
    """Structural entries, artifacts, input events."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, entries: Sequence[EntryRow]) -> None:
        self._session.run_many(statements.ENTRIES_ADD, [rows.entry_params(row) for row in entries])

    def of(self, execution: ExecutionId, attempt: int | None = None) -> Sequence[EntryRow]:
        sql = statements.ENTRIES_OF_ALL if attempt is None else statements.ENTRIES_OF_ONE
        return [rows.entry(row) for row in self._session.all(sql, {"execution": execution, "attempt": attempt})]

    def add_artifact(self, row: ArtifactRow) -> None:
        self._session.run(statements.ENTRIES_ADD_ARTIFACT, rows.artifact_params(row))

    def artifacts(self, execution: ExecutionId) -> Sequence[ArtifactRow]:
        return [rows.artifact(row) for row in self._session.all(statements.ENTRIES_ARTIFACTS, {"execution": execution})]

    def uses(self, digest: str) -> bool:
        return self._session.one(statements.ENTRIES_USES, {"digest": digest}) is not None

    def add_event(self, execution: ExecutionId, number: int, body: bytes) -> None:
        self._session.run(statements.ENTRIES_ADD_EVENT, {"execution": execution, "number": number, "body": body})

    def events(self, execution: ExecutionId) -> Sequence[bytes]:
        return [rows.event(row) for row in self._session.all(statements.ENTRIES_EVENTS, {"execution": execution})]


class Fleet:
    """Agents."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: AgentRow) -> None:
        self._session.run(statements.AGENTS_ADD, rows.agent_params(row))

    def get(self, name: AgentName) -> AgentRow | None:
        found = self._session.one(statements.AGENTS_GET, {"the_name": name})
        return None if found is None else rows.agent(found)

    def put(self, row: AgentRow) -> None:
        if not self._session.run(statements.AGENTS_PUT, rows.agent_params(row)):
            raise KeyError(f"there is no agent {row.name}")

    def list(self) -> Sequence[AgentRow]:
        return [rows.agent(row) for row in self._session.all(statements.AGENTS_LIST, {})]

    def by_token(self, token_hash: str) -> AgentRow | None:
        found = self._session.one(statements.AGENTS_BY_TOKEN, {"token_hash": token_hash})
        return None if found is None else rows.agent(found)


class Garbage:
    """Blobs that may be deleted."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def mark(self, digest: str, since: Instant) -> None:
        self._session.run(statements.GARBAGE_MARK, {"digest": digest, "since": since})

    def unmark(self, digest: str) -> bool:
        return self._session.run(statements.GARBAGE_UNMARK, {"the_digest": digest}) > 0

    def has(self, digest: str) -> bool:
        return self._session.one(statements.GARBAGE_HAS, {"the_digest": digest}) is not None

    def marked(self, before: Instant, limit: int) -> Sequence[str]:
        found = self._session.all(statements.GARBAGE_MARKED, {"before": before, "limit": limit})
        return [str(row[0]) for row in found]


class SqliteUnit:
    """The Unit of one connection."""

    def __init__(self, session: Session) -> None:
        self.catalog = Catalog(session)
        self.runs = Runs(session)
        self.executions = Executions(session)
        self.entries = Entries(session)
        self.fleet = Fleet(session)
        self.garbage = Garbage(session)


def _by_place(row: ExecutionRow) -> tuple[tuple[int, ...], int]:
    assert row.place is not None
    return tuple(int(part) for part in row.place.ref.split(".")), row.place.index


def _plain(name: str) -> str:
    return name.replace("/", "--")
