"""The pod that a cluster would make for a plan, in words of the workflow: its containers, and what it asks for.

Called by the forecast. It stands on the same rule of sharing as the executor that makes the pod; what an agent adds of
its own (the conductor's container, defaults, a profile of security) is that agent's and not told here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from posixpath import join, normpath

from workflow.plan.nodes import Json, Plan
from workflow.pods.resources import BadQuantity, of_pod
from workflow.pods.sharing import StepContainer, TooManyContainers, step_containers


@dataclass(frozen=True, slots=True)
class ContainerAhead:
    """A container and the steps that run in it. ``image`` is None for the agent's default one; ``mounts`` say
    ``volume at /path``."""

    name: str
    image: str | None
    steps: tuple[str, ...]
    resources: Mapping[str, Json] = field(default_factory=dict)
    mounts: tuple[str, ...] = ()
    security: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of the workflow's own. ``kind`` is Kubernetes' name for it; ``claim`` that of a volume made for the
    execution, with its size."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Pod:
    """What an execution asks of a cluster. The conductor has one more container, which asks for ``requests``: the
    largest of its steps'. ``problem`` says why there can be no such pod."""

    containers: tuple[ContainerAhead, ...] = ()
    requests: Mapping[str, Json] = field(default_factory=dict)
    volumes: tuple[Volume, ...] = ()
    service_account: str | None = None
    namespace: str | None = None
    problem: str = ""


def pod_ahead(plan: Plan) -> Pod:
    """The pod of the plan. Texts that only a running step can know stand in it as templates."""
    containers: tuple[StepContainer, ...] = ()
    requests: Mapping[str, Json] = {}
    problem = ""
    try:
        containers = step_containers(plan, "")
        requests = of_pod({}, [each.spec.resources for each in containers])
    except (TooManyContainers, BadQuantity) as why:
        problem = str(why)
    return Pod(
        containers=tuple(map(_container, containers)),
        requests=requests,
        volumes=tuple(_volumes(plan)),
        service_account=_text(plan.pod.get("serviceAccountName")),
        namespace=_text(plan.job.get("namespace")),
        problem=problem,
    )


def _container(each: StepContainer) -> ContainerAhead:
    spec = each.spec
    mounts = tuple(f"{mount.get('name')} at {_path(mount)}" for mount in spec.mounts)
    return ContainerAhead(each.name, spec.image or None, each.refs, spec.resources, mounts, spec.security)


def _path(mount: Mapping[str, Json]) -> str:
    """Where a volume is mounted; a relative path is below /data."""
    return normpath(join("/data", str(mount.get("mountPath", ""))))


def _volumes(plan: Plan) -> Iterator[Volume]:
    written = plan.pod.get("volumes")
    for volume in written if isinstance(written, list) else []:
        if isinstance(volume, dict):
            kinds = [key for key in volume if key != "name"]
            yield Volume(str(volume.get("name")), kinds[0] if kinds else "emptyDir")
    for name, claim in plan.pvcs.items():
        yield Volume(name, f"a new claim{_size(claim)}")


def _size(claim: Json) -> str:
    match claim:
        case {"resources": {"requests": {"storage": str() | int() as size}}}:
            return f" of {size}"
        case _:
            return ""


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
