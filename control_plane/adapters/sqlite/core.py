"""Every statement of the store, written with SQLAlchemy Core against the tables.

Read by ``generate`` alone, which makes the texts that the collections execute: a running control plane does not load
SQLAlchemy (docs/adr/0007-statements.md).

Parameters are ``bindparam``; a value inside a statement would be lost, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Table, and_, bindparam, delete, func, insert, literal_column, select, update
from sqlalchemy.dialects import sqlite as dialect
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.sql import ClauseElement

from control_plane.adapters.sqlite import tables

_DIALECT = dialect.dialect(paramstyle="named")
_ZERO: ColumnElement[int] = literal_column("0")
_ONE: ColumnElement[int] = literal_column("1")

_P = bindparam


def text_of(statement: ClauseElement) -> str:
    """What SQLite gets, parameters as ``:name``."""
    compiled = statement.compile(dialect=_DIALECT)
    hidden = [name for name, value in compiled.params.items() if value is not None]
    assert not hidden, f"values inside a prepared statement would be lost: {hidden}"
    return str(compiled)


def _replacing(table: Table) -> ClauseElement:
    """Insert, or replace all but the key."""
    keys = [column.name for column in table.primary_key]
    statement = upsert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _updating(table: Table, key: str, *, but: Sequence[str] = ()) -> ClauseElement:
    """Replace all but the key and ``but`` where the key is ``:the_<key>``."""
    changed: dict[str, ColumnElement[object]] = {
        column.name: _P(column.name) for column in table.columns if column.name not in (key, *but)
    }
    return update(table).where(table.c[key] == _P(f"the_{key}")).values(changed)


def _documents() -> Mapping[str, ClauseElement]:
    table = tables.documents
    this = and_(table.c.kind == _P("kind"), table.c.name == _P("name"))
    return {
        "PUT": _replacing(table),
        "GET": select(table).where(this),
        "LIST": select(table).where(table.c.kind == _P("kind")).order_by(table.c.name),
        "DELETE": delete(table).where(this),
    }


def _runs() -> Mapping[str, ClauseElement]:
    table, numbers = tables.runs, tables.run_numbers
    newest = select(table).order_by(table.c.created_at.desc(), table.c.id.desc()).limit(_P("limit")).offset(_ZERO)
    before = table.c.created_at < _P("before")
    by_key = (table.c.actor_name == _P("name"), table.c.actor_kind == _P("kind"), table.c.key == _P("key"))
    next_number = (
        upsert(numbers)
        .values(workflow=_P("workflow"), number=_ONE)
        .on_conflict_do_update(index_elements=["workflow"], set_={"number": numbers.c.number + _ONE})
        .returning(numbers.c.number)
    )
    return {
        "ADD": insert(table),
        "GET": select(table).where(table.c.id == _P("the_id")),
        "FIND": select(table).where(table.c.name == _P("name")),
        "BY_KEY": select(table).where(*by_key),
        "PUT": _updating(table, "id"),
        "LATEST": newest.where(before),
        "LATEST_OF": newest.where(before, table.c.workflow == _P("workflow")),
        "NEXT": next_number,
        "ENDED": select(table)
        .where(table.c.finished_at < _P("before"))
        .order_by(table.c.finished_at)
        .limit(_P("limit"))
        .offset(_ZERO),
        **{f"REMOVE_{name}": statement for name, statement in _removing().items()},
    }


def _removing() -> Mapping[str, ClauseElement]:
    """A run and all that hangs on it, in this order."""
    runs, executions = tables.runs, tables.executions
    its = select(executions.c.id).where(executions.c.run == _P("run")).scalar_subquery()
    hanging = {table.name.upper(): delete(table).where(table.c.execution.in_(its)) for table in _HANGING}
    return {
        **hanging,
        "EXECUTIONS": delete(executions).where(executions.c.run == _P("run")),
        "RUN": delete(runs).where(runs.c.id == _P("run")),
    }


_HANGING: Final = (tables.events, tables.entries, tables.artifacts, tables.plans)


def _executions() -> Mapping[str, ClauseElement]:
    table, plans = tables.executions, tables.plans
    at = (table.c.parent == _P("parent"), table.c.parent_ref == _P("ref"), table.c.parent_index == _P("index"))
    wanted = select(func.json_each(_P("states")).table_valued("value").c.value)
    order = (table.c.queued_at.is_(None), table.c.queued_at, table.c.created_at, table.c.id)
    in_states = select(table).where(table.c.state.in_(wanted)).order_by(*order).limit(_P("limit")).offset(_ZERO)
    return {
        "ADD": insert(table),
        "ADD_PLAN": insert(plans),
        "GET": select(table).where(table.c.id == _P("the_id")),
        "FIND": select(table)
        .where(table.c.name == _P("name"))
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(_ONE)
        .offset(_ZERO),
        "GLANCES": select(table.c.id, table.c.run, table.c.host, table.c.agent, table.c.state, table.c.log_incomplete)
        .where(table.c.run.in_(select(func.json_each(_P("runs")).table_valued("value").c.value)))
        .order_by(literal_column("executions.rowid")),
        "PLAN": select(plans).where(plans.c.execution == _P("the_id")),
        "PUT": _updating(table, "id", but=("run", "parent", "parent_ref", "parent_index", "child_kind")),
        "OF_RUN": select(table).where(table.c.run == _P("run")).order_by(literal_column("executions.rowid")),
        "CHILDREN": select(table).where(table.c.parent == _P("parent")),
        "CHILD": select(table).where(*at),
        "IN_STATES": in_states,
        "IN_STATES_OF": in_states.where(table.c.agent == _P("agent")),
    }


def _entries() -> Mapping[str, ClauseElement]:
    table, artifacts, events = tables.entries, tables.artifacts, tables.events
    of = select(table).where(table.c.execution == _P("execution")).order_by(table.c.attempt, table.c.seq)
    return {
        "ADD": upsert(table).on_conflict_do_nothing(index_elements=["execution", "attempt", "seq"]),
        "OF_ALL": of,
        "OF_ONE": of.where(table.c.attempt == _P("attempt")),
        "ADD_ARTIFACT": _replacing(artifacts),
        "ARTIFACTS": select(artifacts)
        .where(artifacts.c.execution == _P("execution"))
        .order_by(artifacts.c.name, artifacts.c.attempt),
        "USES": select(literal_column("1")).where(artifacts.c.digest == _P("digest")).limit(_ONE).offset(_ZERO),
        "ADD_EVENT": insert(events),
        "EVENTS": select(events.c.body).where(events.c.execution == _P("execution")).order_by(events.c.number),
    }


def _garbage() -> Mapping[str, ClauseElement]:
    table = tables.garbage
    return {
        "MARK": upsert(table).on_conflict_do_nothing(index_elements=["digest"]),
        "UNMARK": delete(table).where(table.c.digest == _P("the_digest")),
        "HAS": select(literal_column("1")).where(table.c.digest == _P("the_digest")),
        "MARKED": select(table.c.digest)
        .where(table.c.since < _P("before"))
        .order_by(table.c.since)
        .limit(_P("limit"))
        .offset(_ZERO),
    }


def _agents() -> Mapping[str, ClauseElement]:
    table = tables.agents
    return {
        "ADD": insert(table),
        "GET": select(table).where(table.c.name == _P("the_name")),
        "PUT": _updating(table, "name"),
        "LIST": select(table).order_by(table.c.name),
        "BY_TOKEN": select(table).where(table.c.token_hash == _P("token_hash")),
    }


STATEMENTS: Final[Mapping[str, Mapping[str, ClauseElement]]] = {
    "DOCUMENTS": _documents(),
    "RUNS": _runs(),
    "EXECUTIONS": _executions(),
    "ENTRIES": _entries(),
    "AGENTS": _agents(),
    "GARBAGE": _garbage(),
}
"""By collection and name."""
