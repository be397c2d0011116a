"""What people see of the system, as values: the people's API, one spelling for the server and for its clients.

Made by control_plane.services (queries, logs, explanations), served by control_plane.web, read by muster.client. JSON
names are camelCase; times are UTC; durations are milliseconds. Unknown fields are ignored, so that an older client
reads a newer server.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from workflow.identifiers import Instant
from workflow.journal import ChildKind, Stream
from workflow.states import ExecutionState, StepStatus, Verdict

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


LOG_INCOMPLETE: Final = "Not all that was printed was kept (log_limit): the log says where and how much."
"""What people read of an execution or a run whose ``log_incomplete`` holds."""


class View(BaseModel):
    """A frozen value with camelCase JSON names."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="ignore",
    )


def exact(instant: Instant) -> datetime:
    """The instant as people write it."""
    return _EPOCH + timedelta(microseconds=instant)


def moment(instant: Instant | None) -> datetime | None:
    """The instant as people write it; None stays None."""
    return None if instant is None else exact(instant)


def milliseconds(start: Instant | None, end: Instant | None) -> float | None:
    """From ``start`` to ``end``, never negative; None where one is not known."""
    return None if start is None or end is None else max(end - start, 0) / 1000


# --- runs --------------------------------------------------------------------------------------------------------


class StepView(View):
    """One step of the present attempt. ``ref`` is its place in the plan (``2.1`` stands inside ``2``)."""

    ref: str
    id: str = ""
    name: str = ""
    kind: str = ""  # group, run, clone, execute, parallel, ...
    status: StepStatus = StepStatus.QUEUED
    iteration: int = 0  # of a retried step, from 0
    hidden: bool = False  # made by the planner, not written by the user
    optional: bool = False
    negative: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_ms: float | None = None
    exit_code: int | None = None
    reason: str = ""
    dropped: int = 0  # bytes that it printed and that were not kept
    outputs: dict[str, str] = Field(default_factory=dict)

    @property
    def title(self) -> str:
        """What to call it: its name, else its id, else its place."""
        return self.name or self.id or self.ref

    @property
    def depth(self) -> int:
        """How many groups it stands in."""
        return self.ref.count(".")


class PlaceView(View):
    """Whose child an execution is."""

    parent: str
    ref: str
    index: int
    kind: ChildKind


class ExecutionView(View):
    """One workflow (or worker, or service) on one agent. ``environment`` is its agent's label of that name."""

    id: str
    run: str
    name: str
    workflow: str
    state: ExecutionState
    place: PlaceView | None = None  # None: a root of the run
    orchestrated: bool = False  # conducted by the control plane, on no agent
    agent: str | None = None
    environment: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)  # its agent's
    target: str = ""  # in words
    attempt: int = 0
    reason: str = ""
    description: str = ""
    created_at: datetime | None = None
    queued_at: datetime | None = None
    assigned_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_ms: float | None = None
    steps: tuple[StepView, ...] = ()
    notes: tuple[str, ...] = ()  # what its cluster said of its pod
    log_incomplete: bool = False  # not all that it printed was kept; the log says where

    @property
    def where(self) -> str:
        """The environment, else the agent, else ``control plane`` or nothing."""
        return self.environment or self.agent or ("control plane" if self.orchestrated else "")


class RunView(View):
    """What a person started. ``executions`` is filled where one run is asked for, in order of creation."""

    id: str
    name: str  # "<workflow>-<number>"
    number: int
    workflow: str
    verdict: Verdict
    actor: str = ""
    created_at: datetime | None = None
    finished_at: datetime | None = None
    duration_ms: float | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    environments: tuple[str, ...] = ()
    log_incomplete: bool = False  # that of one of its executions is
    states: dict[ExecutionState, int] = Field(default_factory=dict)  # how many executions stand where
    executions: tuple[ExecutionView, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 passed (or still open), 1 failed, 3 aborted or canceled."""
        match self.verdict:
            case Verdict.PASSED | Verdict.PENDING:
                return 0
            case Verdict.FAILED:
                return 1
            case Verdict.ABORTED | Verdict.CANCELED:
                return 3


class NewRun(View):
    """A submission: a ``document`` (text, with its ``file`` name for problems) or the name of an applied ``workflow``.

    ``target`` has the language's form {match, not, replicate}. ``key``: the same key gives the same run again.
    """

    model_config = ConfigDict(extra="forbid")

    document: str | None = None
    file: str | None = None
    workflow: str | None = None
    config: dict[str, JsonValue] = Field(default_factory=dict)
    target: dict[str, JsonValue] | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    key: str | None = None


class ArtifactView(View):
    """A complete artifact."""

    execution: str
    where: str  # environment, else agent
    ref: str
    name: str
    size: int
    digest: str
    stored_at: datetime | None = None


class Explanation(View):
    """Why something waits, or ended so. ``notes`` are what clusters said of the pods that it is about; ``tail`` are the
    last lines of the step that decided it."""

    subject: str
    sentences: tuple[str, ...]
    notes: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()


# --- what a watcher hears ----------------------------------------------------------------------------------------


class LogView(View):
    """Text that a step printed, invalid UTF-8 replaced, cut anywhere. ``position`` resumes behind it."""

    execution: str
    position: str
    ref: str
    stream: Stream
    at: datetime
    text: str


class RunChanged(View):
    """The run stands so now (without its executions)."""

    event: Literal["run"] = "run"
    run: RunView


class ExecutionChanged(View):
    """An execution is new, or stands so now, with all its steps."""

    event: Literal["execution"] = "execution"
    execution: ExecutionView


class StepChanged(View):
    """A step stands so now."""

    event: Literal["step"] = "step"
    execution: str
    step: StepView


class LogPrinted(View):
    """A step printed."""

    event: Literal["log"] = "log"
    log: LogView


class RunEnded(View):
    """The run has its verdict and every line was sent. Last event."""

    event: Literal["end"] = "end"
    run: RunView


WatchEvent = RunChanged | ExecutionChanged | StepChanged | LogPrinted | RunEnded


# --- catalog and fleet -------------------------------------------------------------------------------------------


class DocumentView(View):
    """An applied workflow or template. ``text`` is filled where one is asked for."""

    kind: Literal["workflow", "template"]
    name: str
    file: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    digest: str = ""
    updated_at: datetime | None = None
    text: str = ""


class ApplyDocuments(View):
    """A file with workflows and templates; ``file`` is its name for problems."""

    model_config = ConfigDict(extra="forbid")

    text: str
    file: str = ""


class Applied(View):
    """What applying a file changed."""

    documents: tuple[DocumentView, ...] = ()
    problems: tuple[ProblemView, ...] = ()  # warnings


class ProblemView(View):
    """One thing that is wrong with a document. Line and column count from 1; 0: not known."""

    file: str
    line: int = 0
    column: int = 0
    code: str = ""
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"


class NewAgent(View):
    """An agent to be invited, with the labels that it is granted."""

    model_config = ConfigDict(extra="forbid")

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    max_concurrent: int | None = Field(default=None, ge=1, le=100_000)


class Invitation(View):
    """The one-time join string of a new agent. It is shown once."""

    name: str
    join: str


class AgentView(View):
    """An agent. ``load`` is how many executions occupy its slots; ``skew_ms`` its clock minus ours."""

    name: str
    state: Literal["invited", "active", "draining", "revoked"]
    connected: bool = False
    labels: dict[str, str] = Field(default_factory=dict)
    load: int = 0
    max_concurrent: int | None = None
    last_seen: datetime | None = None
    created_at: datetime | None = None
    version: str = ""
    executor: str = ""
    skew_ms: float = 0


Applied.model_rebuild()
