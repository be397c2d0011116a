"""Rows as the views that travel to people. Pure; called by services.queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from control_plane.ports.records import AgentRow, ArtifactRow, DocumentRow, ExecutionRow, Glance, Host, RunRow
from workflow.identifiers import AgentName
from workflow.views import (
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

Fleet = Mapping[AgentName, AgentRow]


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
        log_incomplete=any(one.log_incomplete for one in executions),
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
        log_incomplete=row.log_incomplete,
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
