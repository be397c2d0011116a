"""What this cluster allows, whatever the control plane says: the agent's own rules, from a file beside it.

Read by the assembly, asked by the executor before anything is created. A refusal names its rule. The default is
strict; a rule that is not written is the default's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from agent.executors.kubernetes.manifest import Manifests
from agent.executors.kubernetes.naming import PREFIX
from agent.executors.kubernetes.resources import BadQuantity, quantity
from agent.executors.kubernetes.settings import Settings
from workflow.plan.nodes import Json, Plan

_HOST = ("hostNetwork", "hostPID", "hostIPC")


class BadPolicy(ValueError):
    """A policy file that says something unknown. The sentence says what."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules. Patterns are those of shells (``registry.example.com/team/*``)."""

    images: tuple[str, ...] = ("*",)
    namespaces: tuple[str, ...] = ()
    """Beside the agent's own."""
    service_accounts: tuple[str, ...] = ()
    """That a workflow may name."""
    workflows: tuple[str, ...] = ("*",)
    labels: Mapping[str, str] | None = None
    """Labels that a workflow must bear."""
    most: Mapping[str, str] | None = None
    """Of each resource, what one pod may ask for or be limited to."""
    host_paths: tuple[str, ...] = ()
    host_namespaces: bool = False
    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    """That may be added."""
    root: bool = False
    """Whether a step may be user 0."""
    node_names: bool = False
    """Whether a workflow may pick a node past the scheduler."""
    volumes: tuple[str, ...] = (
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
        "image",
    )
    """Kinds of volumes."""
    secrets: tuple[str, ...] = ("*",)
    """Secrets that a workflow may read. Those of attempts and agents are nobody's."""


def read_policy(written: Mapping[str, Any]) -> Policy:
    """A policy from a parsed file, names as they stand above with ``-`` or ``_``. Raises BadPolicy."""
    known = {field.name for field in fields(Policy)}
    found: dict[str, Any] = {}
    for key, value in written.items():
        name = key.replace("-", "_")
        if name not in known:
            raise BadPolicy(f"the policy says {key!r}, which is no rule; rules are {', '.join(sorted(known))}")
        found[name] = tuple(map(str, value)) if isinstance(value, list) else value
    for name, value in found.items():
        wanted = type(getattr(Policy(), name))
        if wanted is not type(None) and not isinstance(value, wanted):
            raise BadPolicy(f"the policy's {name!r} must be a {wanted.__name__}")
    return Policy(**found)


def refusals(made: Manifests, plan: Plan, policy: Policy, settings: Settings) -> Iterator[str]:
    """A phrase with the rule's name for each thing of the pod that is not allowed here."""
    spec: Mapping[str, Any] = made.pod["spec"]  # type: ignore[assignment]
    if not _fits(plan.workflow, policy.workflows):
        yield f"workflows: {plan.workflow}"
    for key, value in (policy.labels or {}).items():
        if plan.labels.get(key) != value:
            yield f"labels: {key}={value} is wanted"
    if made.namespace != settings.namespace and made.namespace not in policy.namespaces:
        yield f"namespaces: {made.namespace}"
    account = plan.pod.get("serviceAccountName")
    if account is not None and account not in policy.service_accounts:
        yield f"service_accounts: {account}"
    yield from _of_pod(spec, plan, policy, str(made.pod["metadata"]["name"]))  # type: ignore[index,call-overload]
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        if container["image"] != settings.image:
            yield from _of_container(container, policy)
        yield from _amounts(container, policy)


def _of_pod(spec: Mapping[str, Any], plan: Plan, policy: Policy, own: str) -> Iterator[str]:
    if not policy.host_namespaces:
        yield from (f"host_namespaces: {name}" for name in _HOST if spec.get(name))
    if plan.pod.get("nodeName") and not policy.node_names:
        yield f"node_names: {plan.pod['nodeName']}"
    if (spec.get("securityContext") or {}).get("sysctls"):
        yield "sysctls"
    if (spec.get("securityContext") or {}).get("runAsUser") == 0 and not policy.root:
        yield "root: pod.securityContext.runAsUser"
    written = plan.pod.get("volumes")
    for volume in written if isinstance(written, list) else ():
        if isinstance(volume, dict):
            yield from _of_volume(volume, policy)
    for volume in spec["volumes"]:
        name = (volume.get("secret") or {}).get("secretName")
        if name is not None and name != own and (name.startswith(PREFIX) or not _fits(name, policy.secrets)):
            yield f"secrets: {name}"


def _of_volume(volume: Mapping[str, Json], policy: Policy) -> Iterator[str]:
    for kind, source in volume.items():
        if kind == "name":
            continue
        if kind == "hostPath":
            path = str(source.get("path")) if isinstance(source, dict) else ""
            if not _fits(path, policy.host_paths):
                yield f"host_paths: {path}"
        elif kind not in policy.volumes:
            yield f"volumes: {kind}"
        elif kind == "projected" and ("serviceAccountToken" in str(source) or "secret" in str(source)):
            yield "volumes: projected secrets and tokens"


def _of_container(container: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    image, context = str(container["image"]), container.get("securityContext") or {}
    if not _fits(image, policy.images):
        yield f"images: {image}"
    if context.get("privileged") and not policy.privileged:
        yield f"privileged: {container['name']}"
    if context.get("allowPrivilegeEscalation") and not policy.privileged:
        yield f"privileged: {container['name']} allows escalation"
    if context.get("runAsUser") == 0 and not policy.root:
        yield f"root: {container['name']}"
    for added in (context.get("capabilities") or {}).get("add") or ():
        if added not in policy.capabilities:
            yield f"capabilities: {added}"


def _amounts(container: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    for kind in ("requests", "limits"):
        for name, value in ((container.get("resources") or {}).get(kind) or {}).items():
            most = (policy.most or {}).get(name)
            try:
                if most is not None and quantity(value) > quantity(most):
                    yield f"most: {name} {value} is more than {most}"
            except BadQuantity as problem:
                yield f"most: {problem}"


def _fits(text: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
