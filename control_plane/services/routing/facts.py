"""Rows as the rules of placing see them. Pure."""

from __future__ import annotations

from control_plane.ports.records import AgentRow, AgentState, ExecutionRow, Host
from control_plane.services.sessions.session import OpenSession
from workflow.journal import ChildKind
from workflow.labels import agent_labels
from workflow.routing import Seat, Work
from workflow.routing.facts import ANYWHERE

_NEVER = 2**62


def work_of(row: ExecutionRow, root_workflow: str) -> Work:
    """An execution as the placing sees it."""
    place = row.place
    return Work(
        id=row.id,
        state=row.state,
        workflow=root_workflow,
        queued=row.queued_at if row.queued_at is not None else _NEVER,
        attempt=row.attempt,
        depth=row.depth,
        target=row.target or ANYWHERE,
        pinned=row.pinned,
        seatless=row.host is Host.CONTROL_PLANE,
        rides=place is not None and place.kind is ChildKind.SERVICE,
        agent=row.agent if row.host is Host.AGENT else None,
        parent=place.parent if place is not None else None,
        parent_ref=place.ref if place is not None else None,
        waits_at=row.waits_at,
        group=row.group,
        group_max=row.group_max or 0,
        cancel_in_progress=row.cancel_in_progress,
        refused=row.refused_by,
        stopping=row.stop is not None,
    )


def seat_of(row: AgentRow, session: OpenSession | None) -> Seat:
    """An agent as the placing sees it."""
    own = session.hello.max_concurrent if session is not None else 0
    draining = row.state is AgentState.DRAINING or (session is not None and session.draining)
    return Seat(
        name=row.name,
        labels=agent_labels(row.labels, id=row.name, name=row.name),
        limit=own if row.max_concurrent is None else min(own, row.max_concurrent),
        connected=session is not None,
        draining=draining,
    )
