"""Which steps share a container: those of one spec, as far as nothing that must run after a failure stands beside what
may fail.

A step that is killed for memory can take its whole container along. So a step whose condition can hold after a failure
(``always``, ``failed``, ...) has a container of its own, together with what stands below it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from workflow.identifiers import StepRef
from workflow.plan.nodes import Container, Group, Json, Plan, Run, Step

MAX_CONTAINERS = 50
"""Containers of one pod at the most."""

_ONLY_AFTER_SUCCESS = frozenset({"passed", "success", "true && passed", "passed && true", "", "never", "false"})


class TooManyContainers(Exception):
    """The plan wants more containers than a pod should have. The sentence says how many."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What tells containers apart. Environment, directory and command are each job's own."""

    image: str
    pull_policy: str | None = None
    resources: Mapping[str, Json] = field(default_factory=dict)
    security: Mapping[str, Json] = field(default_factory=dict)
    mounts: tuple[Mapping[str, Json], ...] = ()

    @property
    def key(self) -> str:
        """Equal for equal specs."""
        parts = [self.image, self.pull_policy, self.resources, self.security, self.mounts]
        return json.dumps(parts, sort_keys=True, default=dict)


@dataclass(frozen=True, slots=True)
class StepContainer:
    """One container and its steps."""

    name: str
    spec: Spec
    refs: tuple[StepRef, ...]


def step_containers(plan: Plan, image: str) -> tuple[StepContainer, ...]:
    """Every step container of the plan, in the order of first use. ``image`` is that of steps that name none. Raises
    TooManyContainers."""
    isolated = bool(plan.system.get("isolatedContainers"))
    shared: dict[tuple[str, str], tuple[Spec, list[StepRef]]] = {}
    for ref, run, late in _runs(plan.steps, ""):
        spec = spec_of(run.container, image)
        apart = ref if isolated else late
        shared.setdefault((spec.key, apart), (spec, []))[1].append(ref)
    if len(shared) > MAX_CONTAINERS:
        raise TooManyContainers(f"its steps need {len(shared)} containers in one pod; {MAX_CONTAINERS} are the most")
    return tuple(StepContainer(_name(refs[0]), spec, tuple(refs)) for spec, refs in shared.values())


def spec_of(container: Container, image: str) -> Spec:
    """What of a step's container its pod must provide."""
    return Spec(
        container.image or image,
        container.image_pull_policy,
        container.resources,
        container.security_context,
        container.volume_mounts,
    )


def _name(ref: StepRef) -> str:
    return f"step-{ref.replace('.', '-')}"


def _runs(steps: Sequence[Step], late: str) -> Iterator[tuple[StepRef, Run, str]]:
    """Each process with the innermost step above or at it that can run after a failure; empty where there is none."""
    for step in steps:
        apart = late if step.condition.strip() in _ONLY_AFTER_SUCCESS else step.ref
        if isinstance(step.body, Group):
            yield from _runs(step.body.steps, apart)
        elif isinstance(step.body, Run):
            yield step.ref, step.body, apart
