"""The rows that the control plane keeps, as frozen values. Services change them with ``dataclasses.replace`` and hand
them back.

No bytes of logs or artifacts stand here (journals and blobs keep those), and no secret value, key or token in clear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from workflow.identifiers import AgentName, Attempt, ExecutionId, Instant, RunId, StepRef
from workflow.journal import ChildKind
from workflow.labels import Target
from workflow.plan.nodes import Json
from workflow.states import ExecutionState, Verdict


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asked. ``kind`` as the TestWorkflow API names it: user, program, cron, testworkflow."""

    name: str
    kind: str = "user"


class DocumentKind(StrEnum):
    """What the catalog holds."""

    WORKFLOW = "workflow"
    TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A workflow or template as its author wrote it."""

    kind: DocumentKind
    name: str
    text: str
    file: str
    labels: Mapping[str, str]
    digest: str  # sha256 of the text
    updated_at: Instant


@dataclass(frozen=True, slots=True)
class RunRow:
    """What a person started."""

    id: RunId
    name: str  # "<workflow>-<number>"
    number: int  # counts per workflow, from 1
    workflow: str
    actor: Actor
    created_at: Instant
    key: str | None = None  # idempotency key: unique per actor
    tags: Mapping[str, str] = field(default_factory=dict)
    finished_at: Instant | None = None
    verdict: Verdict = Verdict.PENDING


class Host(StrEnum):
    """Who conducts an execution."""

    AGENT = "agent"
    CONTROL_PLANE = "control_plane"  # orchestrates only: costs no pod


class OnLost(StrEnum):
    """What becomes of a started execution whose agent or conductor is lost (annotation ``muster.dev/on-lost``)."""

    ABORT = "abort"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class ChildPlace:
    """Whose child an execution is: the parent's step and the child's index there; its identity within the parent."""

    parent: ExecutionId
    ref: StepRef
    index: int
    kind: ChildKind


@dataclass(frozen=True, slots=True)
class ExecutionRow:
    """One workflow (or worker, or service) on one agent."""

    id: ExecutionId
    run: RunId
    name: str
    workflow: str
    state: ExecutionState
    host: Host
    created_at: Instant
    place: ChildPlace | None = None  # None: a root of the run
    target: Target | None = None
    pinned: AgentName | None = None  # workers and services: their parent's agent
    attempt: int = 0  # 0: never handed out
    agent: AgentName | None = None  # who holds the present attempt, or held the last one
    reason: str = ""  # why it waits, or why it ended so: one sentence
    queued_at: Instant | None = None
    assigned_at: Instant | None = None
    started_at: Instant | None = None
    finished_at: Instant | None = None
    lease_until: Instant | None = None
    group: str | None = None  # concurrency group
    group_max: int | None = None
    cancel_in_progress: bool = False
    on_lost: OnLost = OnLost.ABORT
    stop: tuple[ExecutionState, str] | None = None  # asked to end so, with this reason
    paused: bool = False
    address: str = ""
    ready: bool = False
    description: str = ""
    queue_deadline: Instant | None = None
    applied_seq: int = 0  # journal entries of the present attempt that this row reflects
    refused_by: Mapping[str, str] = field(default_factory=dict)  # agent -> why it will never take it
    depth: int = 0  # generations above it; 0: a root of the run
    waits_at: StepRef | None = None  # the step that waits for its children: meanwhile the slot is lent
    resumed: bool = False  # told to go on, and has not said yet that it does
    notes: tuple[str, ...] = ()  # what its agent noticed of the present attempt, in the cluster's words
    log_incomplete: bool = False  # something that it printed was not kept, in whatever attempt

    @property
    def current(self) -> Attempt:
        """The present attempt."""
        return Attempt(self.id, self.attempt)


@dataclass(frozen=True, slots=True)
class Glance:
    """As much of an execution as a run alone tells."""

    id: ExecutionId
    run: RunId
    host: Host
    agent: AgentName | None
    state: ExecutionState
    log_incomplete: bool = False


@dataclass(frozen=True, slots=True)
class PlanRow:
    """An execution's frozen plan and what its templates see. Written once."""

    execution: ExecutionId
    plan: bytes  # workflow.plan.encode
    variables: Mapping[str, Json] = field(default_factory=dict)
    transfers: tuple[tuple[str, str], ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    secrets: bytes = b""  # values that the plan names, sealed by the vault; empty where it names none


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A structural journal entry (everything but output), as JSON for readings."""

    attempt: Attempt
    seq: int
    at: Instant
    kind: str
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """A complete artifact. Its bytes are the blob named by ``digest``."""

    execution: ExecutionId
    attempt: int
    ref: StepRef
    name: str
    size: int
    digest: str
    stored_at: Instant


class AgentState(StrEnum):
    """Where an agent stands with us."""

    INVITED = "invited"  # token made, not joined yet
    ACTIVE = "active"
    DRAINING = "draining"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent, with the labels that we granted."""

    name: AgentName
    labels: Mapping[str, str]
    state: AgentState
    created_at: Instant
    max_concurrent: int | None = None
    token_hash: str | None = None  # sha256 of the one-time join token; None once used
    token_expires: Instant | None = None
    serials: tuple[str, ...] = ()  # certificates in force, newest last (hex)
    session: int = 0
    last_seen: Instant | None = None
    version: str = ""
    executor: str = ""
    skew: int = 0  # its clock minus ours, microseconds, for show
