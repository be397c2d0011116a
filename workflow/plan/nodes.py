"""What a plan is made of: frozen steps, each a group or one operation.

Made by workflow.plan.build from a resolved workflow; walked by the state machine (workflow.execution), the executors
and ``muster plan``. Texts may still hold ``{{ }}`` for what is known only while running (env, status, outputs,
services). Durations are microseconds. Everything is plain values, so that a plan travels as JSON
(workflow.plan.encode).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from workflow.identifiers import StepRef
from workflow.labels import Target
from workflow.values import Json as Json

PROBE = "muster.dev/readiness-probe"
"""Annotation of a service's plan: when it is ready, as JSON, for an executor that can ask."""


@dataclass(frozen=True, slots=True)
class EnvVar:
    """One environment variable: a text (maybe with templates), or a Kubernetes ``valueFrom`` source."""

    name: str
    value: str = ""
    value_from: Mapping[str, Json] | None = None
    share: bool = False  # `global: true`: also given to services


@dataclass(frozen=True, slots=True)
class Container:
    """What a step's process runs in, all levels merged. ``None`` means: not said."""

    image: str | None = None
    image_pull_policy: str | None = None
    working_dir: str | None = None  # absolute, or relative to the image's own
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[Mapping[str, Json], ...] = ()
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    resources: Mapping[str, Json] = field(default_factory=dict)
    security_context: Mapping[str, Json] = field(default_factory=dict)
    volume_mounts: tuple[Mapping[str, Json], ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A process: ``script`` in the workflow shell (``set -e`` goes before it), or the container's command and args."""

    container: Container
    script: str | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait ``duration`` microseconds."""

    duration: int


@dataclass(frozen=True, slots=True)
class File:
    """One file of ``content.files``: its text, or a source in the target cluster."""

    path: str
    content: str = ""
    content_from: Mapping[str, Json] | None = None
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class WriteFiles:
    """``content.files``."""

    files: tuple[File, ...]


class GitAuth(StrEnum):
    """How the clone authenticates (``content.git.authType``)."""

    BASIC = "basic"
    HEADER = "header"
    GITHUB = "github"


@dataclass(frozen=True, slots=True)
class Clone:
    """``content.git``: a shallow fetch of ``revision`` (None: the default branch) into ``mount_path``."""

    uri: str
    revision: str | None = None
    mount_path: str = "/data/repo"
    paths: tuple[str, ...] = ()
    cone: bool = False
    auth: GitAuth = GitAuth.BASIC
    username: EnvVar | None = None
    token: EnvVar | None = None
    ssh_key: EnvVar | None = None
    verbosity: str = "verbose"
    retry_count: int = 5
    retry_delay: int = 100_000


@dataclass(frozen=True, slots=True)
class FetchTarball:
    """One entry of ``content.tarball``, or files that a parent hands to a worker (``digest`` instead of ``url``)."""

    path: str
    url: str = ""
    digest: str = ""  # "sha256:<hex>" of a transfer blob


@dataclass(frozen=True, slots=True)
class SaveArtifacts:
    """``artifacts``: glob patterns (a leading ``!`` excludes) relative to ``working_dir``; ``compress`` names one
    archive."""

    paths: tuple[str, ...]
    working_dir: str | None = None
    compress: str | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """How many children, and what each sees (LANGUAGE 1.11). Values are expressions or literal lists, kept as written.

    ``count`` and ``max_count`` are expression texts; ``matrix`` and ``shards`` map a key, in written order, to an
    expression text or to a list of values.
    """

    count: str | None = None
    max_count: str | None = None
    matrix: Mapping[str, Json] = field(default_factory=dict)
    shards: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExecuteItem:
    """One entry of ``execute.workflows``: a workflow by name or by labels, spread, with its parameters and target."""

    name: str | None
    selector: Mapping[str, str] = field(default_factory=dict)
    spread: Spread = field(default_factory=Spread)
    config: Mapping[str, Json] = field(default_factory=dict)
    target: Target | None = None
    execution_name: str = ""
    description: str = ""
    tarballs: tuple[tuple[str, Transfer], ...] = ()


@dataclass(frozen=True, slots=True)
class Execute:
    """``execute``: other workflows as children, at most ``parallelism`` in flight; ``wait`` is False for ``async``.

    ``working_dir`` is where ``file()`` and ``glob()`` of its own texts look, here and in the operations below.
    """

    items: tuple[ExecuteItem, ...]
    parallelism: int = 100
    wait: bool = True
    working_dir: str | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Files that travel between a parent and a child: what (globs below ``source``), and where to."""

    source: str
    files: tuple[str, ...] = ("**/*",)
    to: str = ""


@dataclass(frozen=True, slots=True)
class Parallel:
    """``parallel``: workers on the same agent. ``worker`` still holds ``{{ index }}``, ``{{ matrix.x }}``, ...

    ``synchronised`` is ``paused: true`` of the parallel: all workers start, pause, and go on together.
    """

    worker: Plan
    spread: Spread
    parallelism: int = 1000
    fail_fast: bool = False
    synchronised: bool = False
    description: str = ""
    logs: str = "true"
    transfer: tuple[Transfer, ...] = ()
    fetch: tuple[Transfer, ...] = ()
    working_dir: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One entry of ``services``: its process as a plan of one step, spread into instances."""

    name: str
    worker: Plan
    spread: Spread
    ready_timeout: int | None = None
    restart_on_failure: bool = True
    readiness_probe: Mapping[str, Json] | None = None
    description: str = ""
    logs: str = "false"
    transfer: tuple[Transfer, ...] = ()


@dataclass(frozen=True, slots=True)
class StartServices:
    """Start these services and wait until each is ready."""

    services: tuple[Service, ...]
    working_dir: str | None = None


@dataclass(frozen=True, slots=True)
class StopServices:
    """Stop the services that the step with reference ``started_by`` started; fails where one of them was OOM-killed
    or crashed."""

    started_by: StepRef


@dataclass(frozen=True, slots=True)
class OfferFiles:
    """A worker's last step under ``parallel.fetch``: pack these and hand them to the parent."""

    fetch: tuple[Transfer, ...]


Operation = (
    Run
    | Delay
    | WriteFiles
    | Clone
    | FetchTarball
    | SaveArtifacts
    | Execute
    | Parallel
    | StartServices
    | StopServices
    | OfferFiles
)


@dataclass(frozen=True, slots=True)
class Group:
    """Steps in order."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Retry:
    """Up to ``count`` + 1 runs of the operation, until the expression ``until`` holds."""

    count: int
    until: str = "passed"


@dataclass(frozen=True, slots=True)
class Step:
    """A node of the plan. ``condition`` is an expression on ``passed``, ``failed``, ``always``, ``status``,
    ``step.*``, ``env.*``."""

    ref: StepRef
    body: Group | Operation
    id: str = ""
    name: str = ""
    condition: str = "passed"
    negative: bool = False
    optional: bool = False
    paused: bool = False
    retry: Retry | None = None
    timeout: int | None = None
    results_dir: str | None = None  # where step.results of this step lies; None for groups
    hidden: bool = False  # made by the planner (delay, clone, ...), not written by the user as a step of its own


@dataclass(frozen=True, slots=True)
class Concurrency:
    """``spec.concurrency``: at most ``max`` at once among executions of the same ``group`` (else of the workflow)."""

    max: int
    group: str | None = None
    cancel_in_progress: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One execution, frozen: what its conductor runs and what its executor and the routing must know."""

    workflow: str
    steps: tuple[Step, ...]
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    target: Target | None = None
    concurrency: Concurrency | None = None
    silent: bool = False
    queue_timeout: int | None = None
    active_deadline: int | None = None  # of the whole execution
    container: Container = field(default_factory=Container)
    pod: Mapping[str, Json] = field(default_factory=dict)
    job: Mapping[str, Json] = field(default_factory=dict)
    pvcs: Mapping[str, Json] = field(default_factory=dict)
    system: Mapping[str, Json] = field(default_factory=dict)

    @property
    def orchestrates_only(self) -> bool:
        """Whether every operation is ``execute`` or a delay, so that the control plane can conduct it without a pod.

        It knows no secrets: where a condition asks one, an agent conducts.
        """
        operations = [step.body for step in leaves(self.steps)]
        only = any(isinstance(op, Execute) for op in operations) and all(
            isinstance(op, Delay) or (isinstance(op, Execute) and not any(item.tarballs for item in op.items))
            for op in operations
        )
        return only and not any(_asks_a_secret(step) for step in walk(self.steps))


def _asks_a_secret(step: Step) -> bool:
    return "secret" in step.condition or (step.retry is not None and "secret" in step.retry.until)


def leaves(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Every step that holds an operation, in order, groups opened."""
    found: list[Step] = []
    for step in steps:
        if isinstance(step.body, Group):
            found.extend(leaves(step.body.steps))
        else:
            found.append(step)
    return tuple(found)


def walk(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Every step, groups before their children."""
    found: list[Step] = []
    for step in steps:
        found.append(step)
        if isinstance(step.body, Group):
            found.extend(walk(step.body.steps))
    return tuple(found)
