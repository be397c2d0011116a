"""From a plan to the rows of an execution. Pure; called by submission (roots) and births (children)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from control_plane.ports.records import ChildPlace, ExecutionRow, Host, OnLost, PlanRow, RunRow
from workflow.identifiers import AgentName, ExecutionId, Instant, RunId
from workflow.labels import Target
from workflow.plan.bind import BadText, bind
from workflow.plan.encode import to_bytes
from workflow.plan.nodes import Json, Plan
from workflow.plan.texts import mentions
from workflow.session import MAX_MESSAGE
from workflow.states import ExecutionState

QUEUE_TIMEOUT = 24 * 3600 * 1_000_000
"""Microseconds that an execution waits for an agent, where its workflow says nothing (``timeouts.queue``)."""
ON_LOST = "muster.dev/on-lost"
WORKFLOW_GROUP = "workflow:"
"""What the group of a workflow without a named group begins with."""

MAX_BUNDLE: Final = MAX_MESSAGE - 32 * 1024
"""Bytes of a plan with its variables, transfers, annotations and secrets: the rest of a message is for their frame."""

_FACTS: Final = frozenset({"execution", "workflow", "labels", "resource", "organization", "environment"})


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What the control plane must know of a plan, and the plan as it travels."""

    workflow: str
    plan: bytes
    target: Target | None = None
    host: Host = Host.AGENT
    group: str | None = None
    group_max: int | None = None
    cancel_in_progress: bool = False
    queue_timeout: int = QUEUE_TIMEOUT
    on_lost: OnLost = OnLost.ABORT
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    asks: Plan | None = (
        None  # the plan, where its texts ask for facts that are known only when the execution is written
    )
    secrets: bytes = b""  # the values that the plan names, sealed


def blueprint_of(plan: Plan, *, target: Target | None = None) -> Blueprint:
    """The blueprint of a plan; ``target`` overrides the plan's own."""
    concurrency = plan.concurrency
    group = None
    if concurrency is not None:
        group = concurrency.group or f"{WORKFLOW_GROUP}{plan.workflow}"
    return Blueprint(
        workflow=plan.workflow,
        plan=to_bytes(plan),
        target=target or plan.target,
        host=Host.CONTROL_PLANE if plan.orchestrates_only else Host.AGENT,
        group=group,
        group_max=concurrency.max if concurrency is not None else None,
        cancel_in_progress=concurrency is not None and concurrency.cancel_in_progress,
        queue_timeout=QUEUE_TIMEOUT if plan.queue_timeout is None else plan.queue_timeout,
        on_lost=OnLost.RETRY if plan.annotations.get(ON_LOST) == "retry" else OnLost.ABORT,
        labels=plan.labels,
        annotations=plan.annotations,
        tags=plan.tags,
        description=plan.description,
        asks=plan if mentions(plan, _FACTS) else None,
    )


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an execution is. ``number`` counts per workflow."""

    id: ExecutionId
    name: str
    number: int
    run: RunId
    place: ChildPlace | None = None
    depth: int = 0


def rows_of(
    blueprint: Blueprint,
    who: Identity,
    variables: Mapping[str, Json],
    now: Instant,
    *,
    pinned: AgentName | None = None,
    transfers: tuple[tuple[str, str], ...] = (),
    paused: bool = False,
    description: str = "",
) -> tuple[ExecutionRow, PlanRow]:
    """The rows of a new execution, queued."""
    row = ExecutionRow(
        id=who.id,
        run=who.run,
        name=who.name,
        workflow=blueprint.workflow,
        state=ExecutionState.QUEUED,
        host=Host.AGENT if pinned is not None else blueprint.host,
        created_at=now,
        place=who.place,
        target=blueprint.target,
        pinned=pinned,
        queued_at=now,
        group=blueprint.group if pinned is None else None,  # workers and services run within their parent's turn
        group_max=blueprint.group_max,
        cancel_in_progress=blueprint.cancel_in_progress,
        on_lost=blueprint.on_lost,
        paused=paused,
        description=description or blueprint.description,
        queue_deadline=Instant(now + blueprint.queue_timeout),
        depth=who.depth,
    )
    bound = _bound(blueprint, variables)
    return row, PlanRow(who.id, bound, variables, transfers, blueprint.annotations, blueprint.secrets)


class TooLarge(ValueError):
    """An execution cannot be handed to an agent. The sentence says what exceeds which limit, and what to do."""


def check_size(row: ExecutionRow, plan: PlanRow) -> None:
    """TooLarge where the plan with all that goes with it exceeds one message to an agent."""
    if row.host is not Host.AGENT:
        return
    beside = json.dumps([dict(plan.variables), plan.transfers, dict(plan.annotations)], ensure_ascii=False)
    size = len(plan.plan) + len(beside.encode(errors="replace")) + len(plan.secrets)
    if size > MAX_BUNDLE:
        raise TooLarge(
            f"the plan of {row.workflow!r}, with its templates and parameters filled in, has {size:,} bytes; an agent "
            f"takes at most {MAX_BUNDLE:,} in one message: {size - MAX_BUNDLE:,} too many. Let a step fetch what is "
            "large (content.git, an artifact, a download), or split the workflow"
        )


def _bound(blueprint: Blueprint, variables: Mapping[str, Json]) -> bytes:
    """The plan with the facts about this execution in its texts; as it is where they do not fit: its steps will say
    so."""
    if blueprint.asks is None:
        return blueprint.plan
    try:
        return to_bytes(bind(blueprint.asks, {name: variables[name] for name in _FACTS if name in variables}))
    except BadText:
        return blueprint.plan


def facts(blueprint: Blueprint, who: Identity, run: RunRow, now: Instant) -> dict[str, Json]:
    """What an execution's templates see of itself and its surroundings (LANGUAGE 2.5)."""
    tags: dict[str, Json] = {**blueprint.tags, **run.tags}
    labels: dict[str, Json] = dict(blueprint.labels)
    return {
        "execution": {
            "id": who.id,
            "groupId": run.id,
            "name": who.name,
            "number": who.number,
            "scheduledAt": iso(now),
            "disableWebhooks": False,
            "tags": tags,
            "runningContext": {
                "actor": {"name": run.actor.name, "type": run.actor.kind},
                "interface": {"type": "api"},
            },
        },
        "workflow": {"name": blueprint.workflow, "labels": labels},
        "labels": {re.sub(r"[^A-Za-z0-9]", "_", key): value for key, value in labels.items()},
        "resource": {"id": who.id, "root": who.id, "fsPrefix": ""},
        "organization": {"id": ""},
        "environment": {"id": ""},
    }


def iso(instant: Instant) -> str:
    """``2026-01-31T12:00:00.000Z``."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=instant)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
