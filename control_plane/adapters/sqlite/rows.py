"""Rows of the tables <-> the frozen values of control_plane.ports.records. Called by the collections alone.

Values stand in the order of the columns in tables.py; a test walks every field of every record through here and back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

from control_plane.adapters.sqlite.connection import Params, Row
from control_plane.ports.records import (
    Actor,
    AgentRow,
    AgentState,
    ArtifactRow,
    ChildPlace,
    DocumentKind,
    DocumentRow,
    EntryRow,
    ExecutionRow,
    Glance,
    Host,
    OnLost,
    PlanRow,
    RunRow,
)
from workflow.identifiers import AgentName, Attempt, ExecutionId, Instant, RunId, StepRef
from workflow.journal import ChildKind
from workflow.labels import Target, from_data, to_data
from workflow.plan.nodes import Json
from workflow.states import ExecutionState, Verdict

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def packed(value: Mapping[str, object] | Sequence[object]) -> str:
    """A mapping or a sequence as JSON. TypeError for what JSON cannot say."""
    return _encode(dict(value) if isinstance(value, Mapping) else value)


def document_params(row: DocumentRow, name: str) -> Params:
    return {
        "kind": row.kind.value,
        "name": name,
        "text": row.text,
        "file": row.file,
        "labels": packed(row.labels),
        "digest": row.digest,
        "updated_at": row.updated_at,
    }


def document(row: Row) -> DocumentRow:
    kind, name, text, file, labels, digest, updated_at = row
    return DocumentRow(
        DocumentKind(_text(kind)),
        _text(name),
        _text(text),
        _text(file),
        _texts(labels),
        _text(digest),
        _instant(updated_at),
    )


def run_params(row: RunRow) -> Params:
    return {
        "the_id": row.id,
        "id": row.id,
        "name": row.name,
        "number": row.number,
        "workflow": row.workflow,
        "actor_name": row.actor.name,
        "actor_kind": row.actor.kind,
        "created_at": row.created_at,
        "key": row.key,
        "tags": packed(row.tags),
        "finished_at": row.finished_at,
        "verdict": row.verdict.value,
    }


def run(row: Row) -> RunRow:
    ident, name, number, workflow, actor_name, actor_kind, created_at, key, tags, finished_at, verdict = row
    return RunRow(
        RunId(_text(ident)),
        _text(name),
        _number(number),
        _text(workflow),
        Actor(_text(actor_name), _text(actor_kind)),
        _instant(created_at),
        _maybe_text(key),
        _texts(tags),
        _maybe_instant(finished_at),
        Verdict(_text(verdict)),
    )


def execution_params(row: ExecutionRow) -> Params:
    """A table: one line a column."""
    place, stop = row.place, row.stop
    return {
        "the_id": row.id,
        "id": row.id,
        "run": row.run,
        "name": row.name,
        "workflow": row.workflow,
        "state": row.state.value,
        "host": row.host.value,
        "created_at": row.created_at,
        "parent": place.parent if place else None,
        "parent_ref": place.ref if place else None,
        "parent_index": place.index if place else None,
        "child_kind": place.kind.value if place else None,
        "target": None if row.target is None else packed(to_data(row.target)),
        "pinned": row.pinned,
        "attempt": row.attempt,
        "agent": row.agent,
        "reason": row.reason,
        "queued_at": row.queued_at,
        "assigned_at": row.assigned_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "lease_until": row.lease_until,
        "group": row.group,
        "group_max": row.group_max,
        "cancel_in_progress": row.cancel_in_progress,
        "on_lost": row.on_lost.value,
        "stop_state": stop[0].value if stop else None,
        "stop_reason": stop[1] if stop else None,
        "paused": row.paused,
        "address": row.address,
        "ready": row.ready,
        "description": row.description,
        "queue_deadline": row.queue_deadline,
        "applied_seq": row.applied_seq,
        "refused_by": packed(row.refused_by),
        "depth": row.depth,
        "waits_at": row.waits_at,
        "resumed": row.resumed,
        "notes": packed(list(row.notes)),
        "log_incomplete": row.log_incomplete,
    }


def execution(row: Row) -> ExecutionRow:
    """A table: one line a field."""
    parent, parent_ref, parent_index, child_kind, target = row[7:12]
    stop_state, stop_reason = row[25:27]
    return ExecutionRow(
        id=ExecutionId(_text(row[0])),
        run=RunId(_text(row[1])),
        name=_text(row[2]),
        workflow=_text(row[3]),
        state=ExecutionState(_text(row[4])),
        host=Host(_text(row[5])),
        created_at=_instant(row[6]),
        place=None if parent is None else _place(_text(parent), _text(parent_ref), _number(parent_index), child_kind),
        target=None if target is None else _target(_text(target)),
        pinned=_maybe_agent(row[12]),
        attempt=_number(row[13]),
        agent=_maybe_agent(row[14]),
        reason=_text(row[15]),
        queued_at=_maybe_instant(row[16]),
        assigned_at=_maybe_instant(row[17]),
        started_at=_maybe_instant(row[18]),
        finished_at=_maybe_instant(row[19]),
        lease_until=_maybe_instant(row[20]),
        group=_maybe_text(row[21]),
        group_max=_maybe_number(row[22]),
        cancel_in_progress=bool(row[23]),
        on_lost=OnLost(_text(row[24])),
        stop=None if stop_state is None else (ExecutionState(_text(stop_state)), _text(stop_reason)),
        paused=bool(row[27]),
        address=_text(row[28]),
        ready=bool(row[29]),
        description=_text(row[30]),
        queue_deadline=_maybe_instant(row[31]),
        applied_seq=_number(row[32]),
        refused_by=_texts(row[33]),
        depth=_number(row[34]),
        waits_at=None if row[35] is None else StepRef(_text(row[35])),
        resumed=bool(row[36]),
        notes=tuple(map(str, json.loads(_text(row[37])))),
        log_incomplete=bool(row[38]),
    )


def glance(row: Row) -> Glance:
    own, run, host, agent, state, log_incomplete = row
    return Glance(
        ExecutionId(_text(own)),
        RunId(_text(run)),
        Host(_text(host)),
        _maybe_agent(agent),
        ExecutionState(_text(state)),
        bool(log_incomplete),
    )


def plan_params(row: PlanRow) -> Params:
    return {
        "execution": row.execution,
        "plan": row.plan,
        "variables": packed(row.variables),
        "transfers": packed(row.transfers),
        "annotations": packed(row.annotations),
        "secrets": row.secrets,
    }


def plan(row: Row) -> PlanRow:
    execution_id, body, variables, transfers, annotations, secrets = row
    pairs = tuple((digest, path) for digest, path in json.loads(_text(transfers)))
    return PlanRow(
        ExecutionId(_text(execution_id)),
        _bytes(body),
        _json(variables),
        pairs,
        _texts(annotations),
        _bytes(secrets),
    )


def entry_params(row: EntryRow) -> Params:
    return {
        "execution": row.attempt.execution,
        "attempt": row.attempt.number,
        "seq": row.seq,
        "at": row.at,
        "kind": row.kind,
        "body": packed(row.body),
    }


def entry(row: Row) -> EntryRow:
    execution_id, attempt, seq, at, kind, body = row
    of = Attempt(ExecutionId(_text(execution_id)), _number(attempt))
    return EntryRow(of, _number(seq), _instant(at), _text(kind), _json(body))


def artifact_params(row: ArtifactRow) -> Params:
    return {
        "execution": row.execution,
        "attempt": row.attempt,
        "name": row.name,
        "ref": row.ref,
        "size": row.size,
        "digest": row.digest,
        "stored_at": row.stored_at,
    }


def artifact(row: Row) -> ArtifactRow:
    execution_id, attempt, name, ref, size, digest, stored_at = row
    return ArtifactRow(
        ExecutionId(_text(execution_id)),
        _number(attempt),
        StepRef(_text(ref)),
        _text(name),
        _number(size),
        _text(digest),
        _instant(stored_at),
    )


def event(row: Row) -> bytes:
    return _bytes(row[0])


def agent_params(row: AgentRow) -> Params:
    return {
        "the_name": row.name,
        "name": row.name,
        "labels": packed(row.labels),
        "state": row.state.value,
        "created_at": row.created_at,
        "max_concurrent": row.max_concurrent,
        "token_hash": row.token_hash,
        "token_expires": row.token_expires,
        "serials": packed(row.serials),
        "session": row.session,
        "last_seen": row.last_seen,
        "version": row.version,
        "executor": row.executor,
        "skew": row.skew,
    }


def agent(row: Row) -> AgentRow:
    return AgentRow(
        name=AgentName(_text(row[0])),
        labels=_texts(row[1]),
        state=AgentState(_text(row[2])),
        created_at=_instant(row[3]),
        max_concurrent=_maybe_number(row[4]),
        token_hash=_maybe_text(row[5]),
        token_expires=_maybe_instant(row[6]),
        serials=tuple(json.loads(_text(row[7]))),
        session=_number(row[8]),
        last_seen=_maybe_instant(row[9]),
        version=_text(row[10]),
        executor=_text(row[11]),
        skew=_number(row[12]),
    )


# What a column holds is known from tables.py; these say it to the type checker and cost a call, not a check.


def _text(value: object) -> str:
    return cast("str", value)


def _maybe_text(value: object) -> str | None:
    return cast("str | None", value)


def _number(value: object) -> int:
    return cast("int", value)


def _maybe_number(value: object) -> int | None:
    return cast("int | None", value)


def _instant(value: object) -> Instant:
    return cast("Instant", value)


def _maybe_instant(value: object) -> Instant | None:
    return cast("Instant | None", value)


def _maybe_agent(value: object) -> AgentName | None:
    return cast("AgentName | None", value)


def _bytes(value: object) -> bytes:
    return cast("bytes", value)


def _json(value: object) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", json.loads(_text(value)))


def _texts(value: object) -> Mapping[str, str]:
    return {} if value == "{}" else cast("Mapping[str, str]", json.loads(_text(value)))


def _place(parent: str, ref: str, index: int, kind: object) -> ChildPlace:
    return ChildPlace(ExecutionId(parent), StepRef(ref), index, ChildKind(_text(kind)))


@lru_cache(maxsize=1024)
def _target(text: str) -> Target:
    return from_data(json.loads(text))
