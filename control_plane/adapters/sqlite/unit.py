"""The five collections of a unit of work on the tables.

Their methods say what those of control_plane.ports.store say.

Every statement is written with SQLAlchemy Core and made a text once, at import; what is executed is the text. Called by
the store alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from sqlalchemy import ColumnElement, Table, and_, bindparam, delete, insert, literal_column, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from control_plane.adapters.sqlite import rows, tables
from control_plane.adapters.sqlite.connection import Session, Value, prepared
from control_plane.ports.records import (
    Actor,
    AgentRow,
    ArtifactRow,
    ChildPlace,
    DocumentKind,
    DocumentRow,
    EntryRow,
    ExecutionRow,
    PlanRow,
    RunRow,
)
from workflow.identifiers import AgentName, ExecutionId, Instant, RunId
from workflow.states import ExecutionState

_ZERO: ColumnElement[int] = literal_column("0")
_ONE: ColumnElement[int] = literal_column("1")
_END_OF_TIME = 2**63 - 1


def _replacing(table: Table) -> str:
    """Insert, or replace all but the key."""
    keys = [column.name for column in table.primary_key]
    statement = upsert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return prepared(statement.on_conflict_do_update(index_elements=keys, set_=changed))


def _updating(table: Table, key: str, *, but: Sequence[str] = ()) -> str:
    """Replace all but the key and ``but`` where the key is ``:the_<key>``."""
    changed: dict[str, ColumnElement[object]] = {
        column.name: bindparam(column.name) for column in table.columns if column.name not in (key, *but)
    }
    return prepared(update(table).where(table.c[key] == bindparam(f"the_{key}")).values(changed))


class Catalog:
    """Workflows and templates."""

    _T = tables.documents
    _THIS = and_(_T.c.kind == bindparam("kind"), _T.c.name == bindparam("name"))
    _PUT = _replacing(_T)
    _GET = prepared(select(_T).where(_THIS))
    _LIST = prepared(select(_T).where(_T.c.kind == bindparam("kind")).order_by(_T.c.name))
    _DELETE = prepared(delete(_T).where(_THIS))

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, row: DocumentRow) -> None:
        self._session.run(self._PUT, rows.document_params(row, _plain(row.name)))

    def get(self, kind: DocumentKind, name: str) -> DocumentRow | None:
        found = self._session.one(self._GET, {"kind": kind.value, "name": _plain(name)})
        return None if found is None else rows.document(found)

    def list(self, kind: DocumentKind) -> Sequence[DocumentRow]:
        return [rows.document(row) for row in self._session.all(self._LIST, {"kind": kind.value})]

    def select(self, labels: dict[str, str]) -> Sequence[DocumentRow]:
        return [row for row in self.list(DocumentKind.WORKFLOW) if labels.items() <= dict(row.labels).items()]

    def delete(self, kind: DocumentKind, name: str) -> bool:
        return self._session.run(self._DELETE, {"kind": kind.value, "name": _plain(name)}) > 0


class Runs:
    """Runs."""

    _T = tables.runs
    _N = tables.run_numbers
    _NEWEST = select(_T).order_by(_T.c.created_at.desc(), _T.c.id.desc()).limit(bindparam("limit")).offset(_ZERO)
    _BEFORE = _T.c.created_at < bindparam("before")
    _WORKFLOW = _T.c.workflow == bindparam("workflow")
    _ADD = prepared(insert(_T))
    _GET = prepared(select(_T).where(_T.c.id == bindparam("the_id")))
    _FIND = prepared(select(_T).where(_T.c.name == bindparam("name")))
    _BY_KEY = prepared(
        select(_T).where(
            _T.c.actor_name == bindparam("name"), _T.c.actor_kind == bindparam("kind"), _T.c.key == bindparam("key")
        )
    )
    _PUT = _updating(_T, "id")
    _LATEST = prepared(_NEWEST.where(_BEFORE))
    _LATEST_OF = prepared(_NEWEST.where(_BEFORE, _WORKFLOW))
    _NEXT = prepared(
        upsert(_N)
        .values(workflow=bindparam("workflow"), number=_ONE)
        .on_conflict_do_update(index_elements=["workflow"], set_={"number": _N.c.number + _ONE})
        .returning(_N.c.number)
    )

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: RunRow) -> None:
        self._session.run(self._ADD, rows.run_params(row))

    def get(self, run: RunId) -> RunRow | None:
        found = self._session.one(self._GET, {"the_id": run})
        return None if found is None else rows.run(found)

    def find(self, text: str) -> RunRow | None:
        found = self._session.one(self._GET, {"the_id": text}) or self._session.one(self._FIND, {"name": text})
        return None if found is None else rows.run(found)

    def by_key(self, actor: Actor, key: str) -> RunRow | None:
        found = self._session.one(self._BY_KEY, {"name": actor.name, "kind": actor.kind, "key": key})
        return None if found is None else rows.run(found)

    def put(self, row: RunRow) -> None:
        if not self._session.run(self._PUT, rows.run_params(row)):
            raise KeyError(f"there is no run {row.id}")

    def latest(self, limit: int, before: Instant | None = None, workflow: str | None = None) -> Sequence[RunRow]:
        params = {"limit": limit, "before": before if before is not None else _END_OF_TIME, "workflow": workflow}
        sql = self._LATEST if workflow is None else self._LATEST_OF
        return [rows.run(row) for row in self._session.all(sql, params)]

    def next_number(self, workflow: str) -> int:
        found = self._session.one(self._NEXT, {"workflow": workflow})
        assert found is not None
        return int(found[0] or 0)


class Executions:
    """Executions and their plans."""

    _T = tables.executions
    _P = tables.plans
    _AT = and_(
        _T.c.parent == bindparam("parent"), _T.c.parent_ref == bindparam("ref"), _T.c.parent_index == bindparam("index")
    )
    _ADD = prepared(insert(_T))
    _ADD_PLAN = prepared(insert(_P))
    _GET = prepared(select(_T).where(_T.c.id == bindparam("the_id")))
    _PLAN = prepared(select(_P).where(_P.c.execution == bindparam("the_id")))
    _PUT = _updating(_T, "id", but=("run", "parent", "parent_ref", "parent_index", "child_kind"))
    _OF_RUN = prepared(select(_T).where(_T.c.run == bindparam("run")).order_by(literal_column("executions.rowid")))
    _CHILDREN = prepared(select(_T).where(_T.c.parent == bindparam("parent")))
    _CHILD = prepared(select(_T).where(_AT))

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: ExecutionRow, plan: PlanRow) -> None:
        if plan.execution != row.id:
            raise ValueError(f"execution {row.id} came with the plan of {plan.execution}")
        self._session.run(self._ADD, rows.execution_params(row))
        self._session.run(self._ADD_PLAN, rows.plan_params(plan))

    def get(self, execution: ExecutionId) -> ExecutionRow | None:
        found = self._session.one(self._GET, {"the_id": execution})
        return None if found is None else rows.execution(found)

    def plan(self, execution: ExecutionId) -> PlanRow | None:
        found = self._session.one(self._PLAN, {"the_id": execution})
        return None if found is None else rows.plan(found)

    def put(self, row: ExecutionRow) -> None:
        if not self._session.run(self._PUT, rows.execution_params(row)):
            raise KeyError(f"there is no execution {row.id}")

    def of_run(self, run: RunId) -> Sequence[ExecutionRow]:
        return [rows.execution(row) for row in self._session.all(self._OF_RUN, {"run": run})]

    def children(self, parent: ExecutionId) -> Sequence[ExecutionRow]:
        found = [rows.execution(row) for row in self._session.all(self._CHILDREN, {"parent": parent})]
        return sorted(found, key=_by_place)

    def at(self, place: ChildPlace) -> ExecutionRow | None:
        found = self._session.one(self._CHILD, {"parent": place.parent, "ref": place.ref, "index": place.index})
        return None if found is None else rows.execution(found)

    def in_states(
        self, states: Iterable[ExecutionState], *, agent: AgentName | None = None, limit: int = 10_000
    ) -> Sequence[ExecutionRow]:
        wanted = sorted({state.value for state in states})
        if not wanted:
            return []
        params: dict[str, Value] = {f"state{number}": state for number, state in enumerate(wanted)}
        sql = _in_states(len(wanted), agent is not None)
        found = self._session.all(sql, {**params, "agent": agent, "limit": limit})
        return [rows.execution(row) for row in found]


class Entries:
    """Structural entries, artifacts, input events."""

    _E = tables.entries
    _A = tables.artifacts
    _V = tables.events
    _OF = select(_E).where(_E.c.execution == bindparam("execution")).order_by(_E.c.attempt, _E.c.seq)
    _ADD = prepared(upsert(_E).on_conflict_do_nothing(index_elements=["execution", "attempt", "seq"]))
    _OF_ALL = prepared(_OF)
    _OF_ONE = prepared(_OF.where(_E.c.attempt == bindparam("attempt")))
    _ADD_ARTIFACT = _replacing(_A)
    _ARTIFACTS = prepared(
        select(_A).where(_A.c.execution == bindparam("execution")).order_by(_A.c.name, _A.c.attempt),
    )
    _ADD_EVENT = prepared(insert(_V))
    _EVENTS = prepared(select(_V.c.body).where(_V.c.execution == bindparam("execution")).order_by(_V.c.number))

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, entries: Sequence[EntryRow]) -> None:
        self._session.run_many(self._ADD, [rows.entry_params(row) for row in entries])

    def of(self, execution: ExecutionId, attempt: int | None = None) -> Sequence[EntryRow]:
        sql = self._OF_ALL if attempt is None else self._OF_ONE
        return [rows.entry(row) for row in self._session.all(sql, {"execution": execution, "attempt": attempt})]

    def add_artifact(self, row: ArtifactRow) -> None:
        self._session.run(self._ADD_ARTIFACT, rows.artifact_params(row))

    def artifacts(self, execution: ExecutionId) -> Sequence[ArtifactRow]:
        return [rows.artifact(row) for row in self._session.all(self._ARTIFACTS, {"execution": execution})]

    def add_event(self, execution: ExecutionId, number: int, body: bytes) -> None:
        self._session.run(self._ADD_EVENT, {"execution": execution, "number": number, "body": body})

    def events(self, execution: ExecutionId) -> Sequence[bytes]:
        return [rows.event(row) for row in self._session.all(self._EVENTS, {"execution": execution})]


class Fleet:
    """Agents."""

    _T = tables.agents
    _ADD = prepared(insert(_T))
    _GET = prepared(select(_T).where(_T.c.name == bindparam("the_name")))
    _PUT = _updating(_T, "name")
    _LIST = prepared(select(_T).order_by(_T.c.name))
    _BY_TOKEN = prepared(select(_T).where(_T.c.token_hash == bindparam("token_hash")))

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: AgentRow) -> None:
        self._session.run(self._ADD, rows.agent_params(row))

    def get(self, name: AgentName) -> AgentRow | None:
        found = self._session.one(self._GET, {"the_name": name})
        return None if found is None else rows.agent(found)

    def put(self, row: AgentRow) -> None:
        if not self._session.run(self._PUT, rows.agent_params(row)):
            raise KeyError(f"there is no agent {row.name}")

    def list(self) -> Sequence[AgentRow]:
        return [rows.agent(row) for row in self._session.all(self._LIST, {})]

    def by_token(self, token_hash: str) -> AgentRow | None:
        found = self._session.one(self._BY_TOKEN, {"token_hash": token_hash})
        return None if found is None else rows.agent(found)


class SqliteUnit:
    """The Unit of one connection."""

    def __init__(self, session: Session) -> None:
        self.catalog = Catalog(session)
        self.runs = Runs(session)
        self.executions = Executions(session)
        self.entries = Entries(session)
        self.fleet = Fleet(session)


@lru_cache(maxsize=32)
def _in_states(count: int, of_agent: bool) -> str:
    """One text for each number of states that is asked for."""
    table = tables.executions
    wanted = table.c.state.in_([bindparam(f"state{number}") for number in range(count)])
    statement = select(table).where(wanted)
    if of_agent:
        statement = statement.where(table.c.agent == bindparam("agent"))
    order = (table.c.queued_at.is_(None), table.c.queued_at, table.c.created_at, table.c.id)
    return prepared(statement.order_by(*order).limit(bindparam("limit")).offset(_ZERO))


def _by_place(row: ExecutionRow) -> tuple[tuple[int, ...], int]:
    assert row.place is not None
    return tuple(int(part) for part in row.place.ref.split(".")), row.place.index


def _plain(name: str) -> str:
    return name.replace("/", "--")
