"""The journal: what a conductor says of one attempt, in order, and what it is told in return.

Written by workflow.execution (as commands to record), carried by protos.codec, stored by the control plane, read by
every view: live log, stored log, verdict, comparison. Entries go up and are numbered from 1 within an attempt;
directives come down, are level-triggered, and may be repeated without harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from workflow.identifiers import ExecutionId, Instant, StepRef
from workflow.states import ExecutionState, StepStatus
from workflow.values import Json

MAX_CHUNK = 256 * 1024
"""Bytes of one Output entry at the most."""
MAX_OUTPUT_VALUE = 4096
"""Bytes of one step output's value at the most (LANGUAGE 1.6)."""


class Stream(StrEnum):
    """Where bytes came from."""

    STDOUT = "stdout"
    STDERR = "stderr"
    SYSTEM = "system"  # Muster's own words: clone progress, retry, notices


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """First entry: the conductor is up and asks leave to begin. It starts no step before this is acknowledged."""

    at: Instant
    conductor: str = ""  # version, for people
    host: str = ""  # pod or machine name, for people


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step (or one more ``iteration`` of it under retry, from 0) began."""

    at: Instant
    ref: StepRef
    iteration: int = 0


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes that a step printed, masked, at most MAX_CHUNK; cut anywhere."""

    at: Instant
    ref: StepRef
    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class StepPaused:
    """The step waits to be resumed."""

    at: Instant
    ref: StepRef


@dataclass(frozen=True, slots=True)
class StepResumed:
    """The step goes on."""

    at: Instant
    ref: StepRef


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step ended. ``exit_code`` where a process ended; ``reason`` is a sentence where there is more to say.
    ``dropped`` bytes of what it printed were not kept: its log says where."""

    at: Instant
    ref: StepRef
    status: StepStatus
    exit_code: int | None = None
    reason: str = ""
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class StepOutput:
    """A value that a step left in ``/testkube/outputs/<key>``."""

    at: Instant
    ref: StepRef
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class ArtifactStored:
    """An artifact is complete on the control plane. ``name`` is its relative path; ``digest`` is ``sha256:<hex>``."""

    at: Instant
    ref: StepRef
    name: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class TransferStored:
    """A worker offers files to its parent: a tar.gz with this digest, to be unpacked at ``to`` on the parent's side."""

    at: Instant
    ref: StepRef
    digest: str
    to: str


class ChildKind(StrEnum):
    """Why a child exists."""

    WORKFLOW = "workflow"  # an ``execute`` item, routed by its own target
    WORKER = "worker"  # a ``parallel`` worker, on its parent's agent
    SERVICE = "service"  # a service's instance, on its parent's agent


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child that a step wants. ``index`` is unique within the step; the child's identity is (execution, ref,
    index).

    ``item`` says which entry of the step's operation it comes from: the position in ``Execute.items`` or
    ``StartServices.services``, 0 for ``Parallel``. ``variables`` are ``index``, ``count``, ``matrix``, ``shard``, ...
    as the child's templates see them. ``workflow`` names the workflow (WORKFLOW only; a selector is resolved by the
    control plane into as many executions as match). ``paused`` children start and wait. ``references`` are the
    parameters whose values depend on secrets: templates in which nothing but ``secret()`` is left; ``config`` has the
    others.
    """

    kind: ChildKind
    index: int
    item: int = 0
    workflow: str = ""
    selector: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Json] = field(default_factory=dict)
    variables: Mapping[str, Json] = field(default_factory=dict)
    description: str = ""
    transfers: tuple[tuple[str, str], ...] = ()  # (digest, path in the child; "": it may fetch the file itself)
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChildrenWanted:
    """The step wants these children to exist. Said again after a retry with new indices; repeating it changes
    nothing.
    """

    at: Instant
    ref: StepRef
    children: tuple[ChildSpec, ...]


@dataclass(frozen=True, slots=True)
class ChildrenDropped:
    """The step no longer wants these children: open ones are stopped (services at their end, workers under
    fail-fast).
    """

    at: Instant
    ref: StepRef
    indices: tuple[int, ...]
    reason: str = ""
    expected: bool = False  # True for a service that did its work: stopping it is no failure


@dataclass(frozen=True, slots=True)
class ChildrenResumed:
    """Paused children of the step go on together (synchronised start)."""

    at: Instant
    ref: StepRef
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AttemptFinished:
    """Last entry. ``state`` is PASSED, FAILED, ABORTED or CANCELED."""

    at: Instant
    state: ExecutionState
    reason: str = ""


Entry = (
    AttemptStarted
    | StepStarted
    | Output
    | StepPaused
    | StepResumed
    | StepFinished
    | StepOutput
    | ArtifactStored
    | TransferStored
    | ChildrenWanted
    | ChildrenDropped
    | ChildrenResumed
    | AttemptFinished
)


@dataclass(frozen=True, slots=True)
class Record:
    """An entry with its number within the attempt, from 1, without gaps."""

    seq: int
    entry: Entry


# --- what comes down ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChildChanged:
    """What a child does now. ``fetched`` are transfer blobs it offers: (digest, path on the parent's side)."""

    ref: StepRef
    index: int
    execution: ExecutionId
    state: ExecutionState
    ready: bool = False  # a service whose probe answered, or whose process runs where it has no probe
    address: str = ""  # IP or host name under which siblings reach it
    description: str = ""
    reason: str = ""
    fetched: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """End the execution now; it ends as ``state`` (CANCELED or ABORTED), with this reason."""

    state: ExecutionState
    reason: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Start no further step until resumed; running steps are stopped in place."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on. Also answers a step that waits by ``paused: true``."""


Directive = ChildChanged | Stop | Pause | Resume
