"""Steps and what they do: processes, workers in parallel, services, other workflows, artifacts."""

from __future__ import annotations

from pydantic import Field

from workflow.labels import SchedulerPolicy, Target

from .content import Content
from .kubernetes import ContainerConfig, JobConfig, PodConfig, Probe
from .node import (
    Boolean,
    Expression,
    Integer,
    IntegerOrExpression,
    Listed,
    Node,
    Structure,
    Template,
    TextMap,
    Value,
)
from .parameters import Parameter


class TemplateRef(Node):
    """A template by name, with its parameters."""

    name: Template = Field(min_length=1)
    config: dict[str, Value] = Field(default_factory=dict)


class TargetSpec(Node):
    """Where to run, as documents say it; ``name`` is short for ``match: {name: [...]}``."""

    name: str | tuple[str, ...] | None = None
    match: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    not_: dict[str, str | tuple[str, ...]] = Field(default_factory=dict, alias="not")
    replicate: str | tuple[str, ...] = ()
    scheduler_policy: SchedulerPolicy | None = None

    def to_target(self) -> Target:
        """The target as routing reads it."""
        match = {key: _texts(values) for key, values in self.match.items()}
        if self.name is not None:
            match["name"] = _texts(self.name)
        exclude = {key: _texts(values) for key, values in self.not_.items()}
        return Target(match, exclude, _texts(self.replicate), self.scheduler_policy or SchedulerPolicy.QUEUE)


class Retry(Node):
    """Run again, up to ``count`` more times, until ``until`` holds."""

    count: Integer = Field(ge=1)
    until: Expression | None = None


class Strategy(Node):
    """How many instances, and what each sees."""

    matrix: dict[str, Listed] = Field(default_factory=dict)
    count: IntegerOrExpression | None = None
    max_count: IntegerOrExpression | None = None
    shards: dict[str, Listed] = Field(default_factory=dict)


class Transfer(Node):
    """Files to hand over; ``to`` defaults to ``from``."""

    from_: Template = Field(alias="from", min_length=1)
    files: Listed | None = None
    to: Template | None = None
    mount: Boolean | None = None


class Fetch(Node):
    """Files to bring back from a worker."""

    from_: Template = Field(alias="from", min_length=1)
    files: Listed | None = None
    to: Template | None = None


class Tarball(Node):
    """Files packed for a child workflow."""

    from_: Template | None = Field(default=None, alias="from")
    files: Listed | None = None


class Compress(Node):
    """One archive instead of single files."""

    name: Template = Field(min_length=1)


class Artifacts(Node):
    """Files to keep."""

    working_dir: Template | None = None
    compress: Compress | None = None
    paths: tuple[Template, ...] = ()


class Run(ContainerConfig):
    """A process in a container; ``shell`` excludes ``command`` and ``args``."""

    shell: Template | None = None


class Selector(Node):
    """Workflows by their labels."""

    match_labels: dict[str, str] = Field(default_factory=dict)


class ExecuteWorkflow(Strategy):
    """Another workflow, by name or by labels."""

    name: Template | None = None
    selector: Selector | None = None
    description: Template | None = None
    execution_name: Template | None = None
    tarball: dict[Template, Tarball] = Field(default_factory=dict)
    config: dict[str, Value] = Field(default_factory=dict)
    target: TargetSpec | None = None


class ExecuteTest(Strategy):
    """A test of the old kind. Read, never run."""

    name: Template | None = None
    description: Template | None = None
    tarball: dict[Template, Tarball] = Field(default_factory=dict)
    execution_request: Structure | None = None


class Execute(Node):
    """Other workflows as children."""

    parallelism: Integer | None = Field(default=None, ge=0)
    async_: Boolean = Field(default=False, alias="async")
    tests: tuple[ExecuteTest, ...] = ()
    workflows: tuple[ExecuteWorkflow, ...] = ()


class Controls(Node):
    """How a step's result counts, and when it is tried again or given up."""

    negative: Boolean = False
    optional: Boolean = False
    paused: Boolean = False
    retry: Retry | None = None
    timeout: Template | None = None


class Operations(Node):
    """What a step does itself."""

    delay: str | None = None
    shell: Template | None = None
    run: Run | None = None
    execute: Execute | None = None
    artifacts: Artifacts | None = None


class Service(Strategy, Run):
    """A process beside the steps."""

    use: tuple[TemplateRef, ...] = ()
    description: Template | None = None
    logs: Expression | None = None
    timeout: Template | None = None
    transfer: tuple[Transfer, ...] = ()
    content: Content | None = None
    pod: PodConfig | None = None
    restart_policy: Template | None = None
    readiness_probe: Probe | None = None
    pvcs: dict[Template, Structure] = Field(default_factory=dict)


class CronJob(Node):
    """A schedule."""

    cron: Template = Field(min_length=1)
    labels: TextMap | None = None
    annotations: TextMap | None = None
    config: dict[str, Value] = Field(default_factory=dict)
    target: TargetSpec | None = None
    timezone: Template | None = None


class Event(Node):
    """What starts a workflow by itself."""

    cronjob: CronJob | None = None


class System(Node):
    """How steps are spread over containers."""

    pure_by_default: Boolean | None = None
    isolated_containers: Boolean | None = None


class Concurrency(Node):
    """How many executions at once, of this workflow or of the group."""

    group: Template | None = None
    max: Integer | None = Field(default=None, ge=1)
    cancel_in_progress: Boolean = False


class Notifications(Node):
    """Deprecated in the language; read, without effect."""

    disable_webhooks: Boolean = False


class ExecutionDefaults(Node):
    """Tags and target of the executions."""

    tags: TextMap | None = None
    target: TargetSpec | None = None
    silent: Boolean | None = None


class Timeouts(Node):
    """Limits on waiting and on starting."""

    queue: Template | None = None
    initialization: Template | None = None


class Body(Node):
    """What a workflow, a template and the workers of ``parallel`` have in common."""

    use: tuple[TemplateRef, ...] = ()
    events: tuple[Event, ...] = ()
    system: System | None = None
    config: dict[str, Parameter] = Field(default_factory=dict)
    content: Content | None = None
    container: ContainerConfig | None = None
    job: JobConfig | None = None
    pod: PodConfig | None = None
    concurrency: Concurrency | None = None
    notifications: Notifications | None = None
    execution: ExecutionDefaults | None = None
    timeouts: Timeouts | None = None
    services: dict[Template, Service] = Field(default_factory=dict)
    setup: tuple[Step, ...] = ()
    steps: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    pvcs: dict[Template, Structure] = Field(default_factory=dict)


class Spec(Body):
    """The ``spec`` of a workflow or a template."""


class Parallel(Body, Operations, Controls, Strategy):
    """Workers: each a small workflow of its own, on the same agent."""

    parallelism: Integer | None = Field(default=None, ge=0)
    fail_fast: Boolean = False
    description: Template | None = None
    logs: Expression | None = None
    transfer: tuple[Transfer, ...] = ()
    fetch: tuple[Fetch, ...] = ()
    template: TemplateRef | None = None


class StepMeta(Node):
    """What a step is called, and when it runs."""

    id: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_]*$")
    name: Template | None = None
    condition: Expression | None = None
    pure: Boolean | None = None


class Step(Operations, Controls, StepMeta):
    """A step: its own operations in their fixed order, and the steps inside it."""

    use: tuple[TemplateRef, ...] = ()
    template: TemplateRef | None = None
    content: Content | None = None
    services: dict[Template, Service] = Field(default_factory=dict)
    container: ContainerConfig | None = None
    working_dir: Template | None = None
    setup: tuple[Step, ...] = ()
    parallel: Parallel | None = None
    steps: tuple[Step, ...] = ()


def _texts(values: str | tuple[str, ...]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else values
