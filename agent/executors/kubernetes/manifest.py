"""Plan + attempt + settings -> everything that is created in the cluster for one attempt. Pure.

Called by the executor; tested as tables. It must not know the API server, watches, or time. Texts of the plan that are
still templates can only be met by what a step does, not by what its container is: where one stands in an image, say,
the plan is refused.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.conductor.entrusted import ENTRUSTED, packed
from agent.conductor.pod.script import GATE
from agent.conductor.pod.terms import BUNDLE, CA, CERTIFICATE, TERMS, PodTerms
from agent.conductor.wanted import wanted
from agent.executors.kubernetes import mounts, naming, security, tools, values
from agent.executors.kubernetes.keys import Pair
from agent.executors.kubernetes.settings import Settings, Tools
from agent.ports.conductor import CONDUCTOR
from workflow.identifiers import SECOND, Attempt
from workflow.plan.nodes import PROBE, Json, Plan, Run, leaves
from workflow.pods import resources
from workflow.pods.resources import BadQuantity
from workflow.pods.sharing import StepContainer, TooManyContainers, step_containers

AGENT_KEY = "agent.pem"
"""Key in the secret that no pod mounts: the agent's own half, for an agent that comes after it."""
MAX_SECRET = 1_000_000
"""Bytes that fit into a Secret."""
LATE = 60
"""Seconds after its deadline at which a pod is ended by the cluster, should its conductor not have done it."""

_FIELDS = (
    "serviceAccountName",
    "imagePullSecrets",
    "nodeSelector",
    "dnsPolicy",
    "nodeName",
    "hostname",
    "subdomain",
    "affinity",
    "tolerations",
    "hostAliases",
    "priorityClassName",
    "priority",
    "dnsConfig",
    "preemptionPolicy",
    "topologySpreadConstraints",
    "schedulingGates",
    "resourceClaims",
    "hostPID",
)
"""Fields of ``pod`` that are the cluster's as they stand."""


class CannotMake(Exception):
    """No pod can honour this plan. The sentence says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made for one attempt. ``bundle`` is packed by agent.conductor.frames."""

    plan: Plan
    encoded: bytes
    bundle: bytes
    pair: Pair
    service: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Manifests:
    """As the API server takes them. The pod comes last."""

    namespace: str
    secret: dict[str, Json]
    claims: tuple[dict[str, Json], ...]
    pod: dict[str, Json]


def manifests(order: Order, attempt: Attempt, settings: Settings) -> Manifests:
    """Raises CannotMake."""
    plan, name = order.plan, naming.pod_name(attempt)
    plan = _with_claims(plan, attempt)
    try:
        containers = step_containers(plan, settings.image)
        impossible = {each.name: words for each in containers if (words := mounts.undefined(plan, each.spec))}
        laid = _Laid(plan, order, attempt, settings, containers, impossible)
        pod = laid.pod()
    except (TooManyContainers, BadQuantity) as problem:
        raise CannotMake(str(problem)) from None
    _check(pod)
    namespace = str(plan.job.get("namespace") or settings.namespace)
    secret = laid.secret()
    if (size := sum(map(len, secret.values()))) > MAX_SECRET:
        raise CannotMake(f"the workflow is too large for this cluster: {size} bytes packed, {MAX_SECRET} fit")
    data: Json = {key: b64encode(value).decode() for key, value in secret.items()}
    return Manifests(
        namespace,
        {**_head("v1", "Secret", name, attempt, settings), "immutable": True, "type": "Opaque", "data": data},
        tuple(_claims(plan, attempt, settings)),
        pod,
    )


@dataclass(frozen=True, slots=True)
class _Laid:
    """One pod in the making."""

    plan: Plan
    order: Order
    attempt: Attempt
    settings: Settings
    wanted: tuple[StepContainer, ...]
    """All that the steps ask for."""
    impossible: Mapping[str, str]
    """Those that no pod can have, and why: their steps fail with these words, the others run."""

    @property
    def containers(self) -> tuple[StepContainer, ...]:
        """Those that the pod gets."""
        return tuple(each for each in self.wanted if each.name not in self.impossible)

    def pod(self) -> dict[str, Json]:
        plan, settings = self.plan, self.settings
        head = _head("v1", "Pod", naming.pod_name(self.attempt), self.attempt, settings)
        metadata = head["metadata"]
        assert isinstance(metadata, dict)
        metadata["labels"] = {**_texts(plan.job, "labels"), **_texts(plan.pod, "labels"), **self._labels()}
        metadata["annotations"] = {
            **_texts(plan.job, "annotations"),
            **_texts(plan.pod, "annotations"),
            **naming.identity(self.attempt),
        }
        return {**head, "spec": self._spec()}

    def secret(self) -> dict[str, bytes]:
        pair = self.order.pair
        files = mounts.static_files(self.plan, self._known())
        return {
            TERMS: self._terms().to_json().encode(),
            BUNDLE: zlib.compress(self.order.bundle, 6),
            CA: pair.ca,
            CERTIFICATE: pair.conductor,
            AGENT_KEY: pair.agent,
            **({ENTRUSTED: packed(self.order.secrets)} if self.order.secrets else {}),
            **{each.key: each.file.content.encode() for each in files if each.file.content_from is None},
        }

    def _labels(self) -> dict[str, str]:
        service = {naming.SERVICE: "true"} if self.order.service else {}
        return {**naming.labels(self.attempt, self.settings.agent), **service}

    def _spec(self) -> dict[str, Json]:
        plan, settings = self.plan, self.settings
        chosen: dict[str, Json] = {**settings.pod, **{name: plan.pod[name] for name in _FIELDS if name in plan.pod}}
        account = chosen.get("serviceAccountName")
        if account is None and settings.service_account:
            chosen["serviceAccountName"] = settings.service_account
        contexts = [container.spec.security for container in self.containers]
        mounted = self._mounts()
        spec: dict[str, Json] = {
            "restartPolicy": "OnFailure",  # a gate comes up again; a conductor tells that it was killed
            "automountServiceAccountToken": account is not None,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": settings.grace,
            **chosen,
            "securityContext": security.of_pod(plan, settings, contexts),
            "volumes": [*mounted.volumes, *self._values().volumes],
            "containers": [self._conductor(mounted), *(self._step(each, mounted) for each in self.containers)],
        }
        if plan.active_deadline is not None:
            spec["activeDeadlineSeconds"] = -(-plan.active_deadline // SECOND) + LATE
        if settings.tools is Tools.INIT:
            spec["initContainers"] = [self._init()]
        return spec

    def _conductor(self, mounted: mounts.Mounts) -> dict[str, Json]:
        asked = resources.of_pod(self.settings.requests, [each.spec.resources for each in self.containers])
        laid = self._values()
        hook: Json = {"postStart": {"exec": {"command": tools.laying()}}}
        return {
            "name": CONDUCTOR,
            **self._ours(),
            "command": ["python3", "-I", "-m", "agent.conductor.pod", mounts.TERMS],
            "ports": [{"name": "muster", "containerPort": self.settings.port, "protocol": "TCP"}],
            "env": list(laid.env),
            "resources": {"requests": asked},
            "securityContext": security.of_conductor(self.settings),
            "volumeMounts": [*mounted.conductor, *laid.mounts],
            **({"lifecycle": hook} if self.settings.tools is Tools.HOOK else {}),
        }

    def _init(self) -> dict[str, Json]:
        return {
            "name": "tools",
            **self._ours(),
            "command": tools.laying(),
            "resources": {"requests": dict(self.settings.requests)},
            "securityContext": security.of_conductor(self.settings),
            "volumeMounts": [{"name": "muster-work", "mountPath": mounts.WORK}],
        }

    def _step(self, container: StepContainer, mounted: mounts.Mounts) -> dict[str, Json]:
        spec = container.spec
        policy, busybox = spec.pull_policy or self.settings.pull_policy, f"{tools.folder(self.settings)}/busybox"
        probe = _probe(self.plan) if self.order.service and container is self.containers[-1] else {}
        return {
            "name": container.name,
            "image": spec.image,
            **({"imagePullPolicy": policy} if policy else {}),
            "command": [
                busybox,
                "sh",
                "-c",
                _verbatim(GATE),
                "gate",
                f"{mounts.WORK}/gates/{container.name}",
                busybox,
            ],
            "env": [{"name": "CI", "value": "1"}],
            "resources": resources.of_step(spec.resources),
            "securityContext": security.of_step(spec.security, self.plan, self.settings),
            "volumeMounts": mounted.of_step(spec),
            **probe,
        }

    def _ours(self) -> dict[str, Json]:
        policy = self.settings.pull_policy
        return {"image": self.settings.image, **({"imagePullPolicy": policy} if policy else {})}

    def _terms(self) -> PodTerms:
        settings = self.settings
        return PodTerms(
            containers={str(ref): each.name for each in self.wanted for ref in each.refs},
            impossible=dict(self.impossible),
            shared=self._mounts().shared,
            fields=self._values().fields,
            own=mounts.OWN,
            values=values.FOLDER,
            work=mounts.WORK,
            tools=tools.folder(settings),
            commands={image: argv for image, argv in settings.commands.items() if image in self._images()},
            host=naming.pod_name(self.attempt),
            version=settings.version,
            port=settings.port,
            alone=settings.alone,
            env=dict(settings.env),
        )

    def _images(self) -> frozenset[str]:
        return frozenset(each.spec.image for each in self.containers)

    def _mounts(self) -> mounts.Mounts:
        keys = (TERMS, BUNDLE, CA, CERTIFICATE, *((ENTRUSTED,) if self.order.secrets else ()))
        specs = [each.spec for each in self.containers]
        laid = mounts.mounts(self.plan, specs, keys, naming.pod_name(self.attempt))
        return tools.mounted(laid, self.settings)

    def _known(self) -> tuple[str, ...]:
        own = [str(mounts.written(mount)["mountPath"]) for each in self.containers for mount in each.spec.mounts]
        return (*own, *mounts.content_directories(self.plan))

    def _values(self) -> values.Laid:
        containers = {ref: each.name for each in self.containers for ref in each.refs}
        return values.laid(self.plan, wanted(self.order.encoded), containers)


# --- parts -------------------------------------------------------------------------------------------------------


def _head(version: str, kind: str, name: str, attempt: Attempt, settings: Settings) -> dict[str, Json]:
    metadata: Json = {
        "name": name,
        "labels": dict(naming.labels(attempt, settings.agent)),
        "annotations": dict(naming.identity(attempt)),
    }
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _claims(plan: Plan, attempt: Attempt, settings: Settings) -> Iterator[dict[str, Json]]:
    for name, spec in plan.pvcs.items():
        head = _head("v1", "PersistentVolumeClaim", naming.claim_name(attempt, name), attempt, settings)
        yield {**head, "spec": spec}


def _with_claims(plan: Plan, attempt: Attempt) -> Plan:
    """``{{ pvcs.<name>.name }}`` is known here alone."""
    if not plan.pvcs:
        return plan
    text = json.dumps(plan.pod)
    for name in plan.pvcs:
        for written in (f"{{{{pvcs.{name}.name}}}}", f"{{{{ pvcs.{name}.name }}}}"):
            text = text.replace(written, naming.claim_name(attempt, name))
    return replace(plan, pod=json.loads(text))


def _verbatim(text: str) -> str:
    """A text that Kubernetes shall not expand: in a command, ``$$`` and ``$(NAME)`` mean something to it."""
    return text.replace("$", "$$")


def _texts(holder: Mapping[str, Json], field: str) -> dict[str, Json]:
    found = holder.get(field)
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _probe(plan: Plan) -> dict[str, Json]:
    text = plan.annotations.get(PROBE)
    return {"readinessProbe": json.loads(text)} if text else {}


def _check(pod: Mapping[str, Json]) -> None:
    """No template may be left in what the cluster reads; a command's script is no such text."""
    left = list(_templates(pod, ()))
    if left:
        raise CannotMake(f"{left[0]} depends on what is known only while steps run, which no pod can wait for")


def _templates(value: Json | Mapping[str, Json], path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, str) and "{{" in value:
        yield ".".join(path)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key not in {"command", "annotations"}:
                yield from _templates(item, (*path, key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, item in enumerate(value):
            yield from _templates(item, (*path, str(place)))


def runs_without_command(plan: Plan, settings: Settings) -> list[str]:
    """Steps that rely on what their image runs by itself, where this agent does not know it."""
    found: list[str] = []
    for step in leaves(plan.steps):
        body = step.body
        if not isinstance(body, Run) or body.script is not None or body.container.command:
            continue
        if (body.container.image or settings.image) not in settings.commands:
            found.append(step.name or step.id or step.ref)
    return found
