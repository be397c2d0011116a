"""What an execution's state machine hears, and what it asks to be done.

The host (agent.conductor for a pod or process, control_plane.services.orchestration for orchestration without one)
feeds events and performs commands; it decides nothing. Events bear the time. Every StartOperation is answered by
exactly one OperationEnded with the same (ref, iteration), whatever happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from workflow.identifiers import Instant, StepRef
from workflow.journal import ChildSpec, Directive, Entry
from workflow.plan.nodes import Json, Operation
from workflow.states import ExecutionState

# --- events ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begun:
    """The control plane acknowledged AttemptStarted. ``env`` is what ``env.*`` sees in conditions, ``secrets`` what
    ``secret()`` gives there (``secret/<name>/<key>``)."""

    at: Instant
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Exited:
    """The process ended by itself with this code (0 to 255)."""

    code: int


@dataclass(frozen=True, slots=True)
class Killed:
    """The process was ended from outside (not by us): signal, OOM, lost container."""

    signal: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """An operation without a process (clone, files, artifacts, delay) succeeded."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An operation could not be done: no such command, clone refused, bad glob. A failed step, told in a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """We stopped it, as asked by StopOperation."""


Outcome = Exited | Killed | Done | Broken | Stopped


@dataclass(frozen=True, slots=True)
class OperationEnded:
    """The answer to StartOperation. ``outputs`` are the files found in ``/testkube/outputs``."""

    at: Instant
    ref: StepRef
    iteration: int
    outcome: Outcome
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChildrenExpanded:
    """The answer to ExpandChildren: the children, counted out, with transfers packed; or a sentence why not."""

    at: Instant
    ref: StepRef
    iteration: int
    children: tuple[ChildSpec, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A directive from the control plane. Repeated ones change nothing."""

    at: Instant
    directive: Directive


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that StartTimer set. A timer cancelled meanwhile is ignored."""

    at: Instant
    timer: str


Event = Begun | OperationEnded | ChildrenExpanded | Told | TimerFired


# --- commands ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartOperation:
    """Do this. ``operation`` may still hold templates for the host's own names (``env``, ``file``, ``glob``);
    ``names`` is what the machine knows (status, steps, services, outputs, variables), to finish them with."""

    ref: StepRef
    iteration: int
    operation: Operation
    names: Mapping[str, Json] = field(default_factory=dict)


class StopReason(StrEnum):
    """Why an operation is stopped."""

    TIMEOUT = "timeout"
    CANCELED = "canceled"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class StopOperation:
    """Kill the operation's whole process group. OperationEnded(Stopped) follows."""

    ref: StepRef
    iteration: int
    reason: StopReason


@dataclass(frozen=True, slots=True)
class SuspendOperation:
    """Stop the process group in place (pause)."""

    ref: StepRef
    iteration: int


@dataclass(frozen=True, slots=True)
class ContinueOperation:
    """Let a suspended process group go on."""

    ref: StepRef
    iteration: int


@dataclass(frozen=True, slots=True)
class ExpandChildren:
    """Count out the children of an execute, parallel or services operation (workflow.plan.children with the host's
    file functions), pack their transfers. Answered by ChildrenExpanded."""

    ref: StepRef
    iteration: int
    operation: Operation
    names: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnpackFiles:
    """Unpack what children offered: (digest, directory). Answered by OperationEnded for (ref, iteration)."""

    ref: StepRef
    iteration: int
    transfers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Feed TimerFired(timer) after ``after`` microseconds, unless cancelled."""

    timer: str
    after: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget the timer."""

    timer: str


@dataclass(frozen=True, slots=True)
class Write:
    """Append this entry to the journal."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing more will come: AttemptFinished was written."""

    state: ExecutionState
    reason: str = ""


Command = (
    StartOperation
    | StopOperation
    | SuspendOperation
    | ContinueOperation
    | ExpandChildren
    | UnpackFiles
    | StartTimer
    | CancelTimer
    | Write
    | Over
)
