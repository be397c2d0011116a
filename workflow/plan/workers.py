"""Plans inside plans: workers of ``parallel`` and instances of services. Used by build."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from workflow.identifiers import SECOND, StepRef
from workflow.model import Body, JobConfig, PodConfig
from workflow.model import Parallel as ParallelConfig
from workflow.model import Service as ServiceConfig
from workflow.model import Step as StepConfig
from workflow.model.steps import Operations
from workflow.plan.containers import for_service, for_worker, merged
from workflow.plan.content import content_parts, transfer
from workflow.plan.executing import spread
from workflow.plan.naming import Ids
from workflow.plan.nodes import (
    PROBE,
    Container,
    Delay,
    Json,
    OfferFiles,
    Parallel,
    Plan,
    Run,
    Service,
    StartServices,
    Step,
)
from workflow.plan.parts import Inner, Manner, Part, placed
from workflow.plan.stages import Contents, Stages, Surroundings
from workflow.plan.static import Statics

_PLAIN = Manner(None, None, None)


@dataclass(frozen=True, slots=True)
class Workers:
    """Makes the plans of one workflow's children. ``workflow`` names it, ``container`` and ``pod`` are its root's."""

    statics: Statics
    workflow: str
    container: Container
    pod: Mapping[str, Json]
    labels: Mapping[str, str]

    def stages(self, body: Body) -> Stages:
        """The planner of one execution's steps, with a namespace of its own for their ids."""
        return Stages(Surroundings(self.statics, Ids(written_ids(body)), self.parallel, self.services))

    def parallel(self, config: ParallelConfig) -> Parallel:
        """``parallel``: one plan for all workers, in which ``index``, ``matrix``, ... are still open."""
        fetch = tuple(map(transfer, config.fetch))
        return Parallel(
            worker=self._worker(
                config, tuple(Part(OfferFiles(fetch), "Hand over files", finally_=True) for _ in fetch[:1])
            ),
            spread=spread(config),
            parallelism=config.parallelism or 1000,
            fail_fast=config.fail_fast,
            synchronised=config.paused,
            description=config.description or "",
            logs=config.logs or "true",
            transfer=tuple(map(transfer, config.transfer)),
            fetch=fetch,
        )

    def services(self, configs: Mapping[str, ServiceConfig], around: Container) -> StartServices:
        """``services`` of a step or a workflow, whose container is ``around``."""
        return StartServices(tuple(self._service(name, config, around) for name, config in configs.items()))

    def _worker(self, config: ParallelConfig, last: Sequence[Part]) -> Plan:
        inherited = replace(self, container=for_worker(self.container), pod=merged_pod(self.pod, config.pod))
        inside = replace(inherited, container=merged(inherited.container, config.container))
        stages = inside.stages(config)
        first: list[Part | Inner] = [_wait_for_the_others] if config.paused else []
        parts = [*first, *_body_parts(stages, config, inside.container), *last]
        return inside.plan(config, placed(parts, None, _PLAIN))

    def plan(self, body: Body, steps: tuple[Step, ...]) -> Plan:
        """The plan of an execution with these steps; what only the outermost workflow has is left to build."""
        return Plan(
            workflow=self.workflow,
            steps=steps,
            labels=self.labels,
            active_deadline=deadline(body.job, body.pod),
            container=self.container,
            pod=self.pod,
            job=body.job.dump() if body.job is not None else {},
            pvcs=dict(body.pvcs),
            system=body.system.dump() if body.system is not None else {},
        )

    def _service(self, name: str, config: ServiceConfig, around: Container) -> Service:
        container = merged(for_service(around), config)
        parts: list[Part | Inner] = list(content_parts(config.content, self.statics))
        parts.append(lambda ref: Step(ref, Run(container, config.shell), name=name))
        pod = merged_pod(self.pod, config.pod)
        probe = config.readiness_probe.dump() if config.readiness_probe is not None else None
        worker = Plan(
            workflow=self.workflow,
            steps=placed(parts, None, _PLAIN),
            labels=self.labels,
            active_deadline=deadline(None, config.pod),
            container=container,
            pod=pod,
            pvcs=dict(config.pvcs),
            annotations={PROBE: json.dumps(probe)} if probe is not None else {},
        )
        policy = self.statics.text(config, "restart_policy")
        return Service(
            name=name,
            worker=worker,
            spread=spread(config),
            ready_timeout=self.statics.duration(config, "timeout"),
            restart_on_failure=policy != "Never",
            readiness_probe=probe,
            description=config.description or "",
            logs=config.logs or "false",
            transfer=tuple(map(transfer, config.transfer)),
        )


def _body_parts(stages: Stages, config: ParallelConfig, container: Container) -> list[Part | Inner]:
    """A worker's steps. Its inline operation and its steps stand between setup and after, under its controls if it
    has any."""
    operations: Operations = config
    before = Contents(config.content, config.services, config.setup)
    inline = stages.parts(Contents(operations=operations, steps=config.steps), container)
    main = [replace(part, hidden=part.finally_) if isinstance(part, Part) else part for part in inline]
    parts = stages.parts(before, container)
    ending = [part for part in parts if isinstance(part, Part) and part.finally_]
    opening = [part for part in parts if part not in ending]
    controls = config.model_copy(update={"paused": False})
    if inline and (config.negative or config.optional or config.retry is not None or config.timeout is not None):
        main = [lambda ref: stages.controlled(inline, controls, ref)]
    after = stages.parts(Contents(steps=config.after), container)
    return [*opening, *main, *after, *ending]


def _wait_for_the_others(ref: StepRef) -> Step:
    """The first step of a synchronised worker: it goes on when its parent says that all are there."""
    return Step(ref, Delay(0), name="Wait for the others", condition="always", paused=True, hidden=True)


def deadline(job: JobConfig | None, pod: PodConfig | None) -> int | None:
    """``activeDeadlineSeconds`` of the job or of the pod, whichever is shorter, in microseconds."""
    limits = [config.active_deadline_seconds for config in (job, pod) if config is not None]
    seconds = [limit for limit in limits if limit is not None]
    return min(seconds) * SECOND if seconds else None


def merged_pod(above: Mapping[str, Json], config: PodConfig | None) -> Mapping[str, Json]:
    """``config`` laid over the level above: mappings unite, lists add up."""
    if config is None:
        return above
    found: dict[str, Json] = dict(above)
    for key, value in config.dump().items():
        before = found.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            found[key] = {**before, **value}
        elif isinstance(before, list) and isinstance(value, list):
            found[key] = [*before, *value]
        else:
            found[key] = value
    return found


def written_ids(body: Body) -> frozenset[str]:
    """The ids that users wrote in one namespace: bodies of ``parallel`` inside have their own."""
    found: set[str] = set()
    waiting: list[StepConfig] = [*body.setup, *body.steps, *body.after]
    while waiting:
        step = waiting.pop()
        if step.id:
            found.add(step.id)
        waiting += [*step.setup, *step.steps]
    return frozenset(found)
