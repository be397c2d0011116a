"""What is about to be made, held against the policy. Asked by the executor before anything is created; pure.

A refusal names its rule. Some things no rule allows: what belongs to other executions, to agents, or to us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from agent.executors.kubernetes import sources
from agent.executors.kubernetes.manifest import Manifests
from agent.executors.kubernetes.policy import Policy, fits
from agent.executors.kubernetes.settings import Settings
from agent.ports.conductor import CONDUCTOR
from workflow.plan.nodes import Json, Plan

_HOST = ("hostNetwork", "hostPID", "hostIPC")
_STORAGE = "storage"
_FREE = "0"
_RESERVED = "muster.dev/"
_ADOPTED = ("pod-template-hash", "controller-revision-hash", "statefulset.kubernetes.io/")
"""By these a controller of the cluster would take the pod for its own, and delete it."""
_PROFILES = ("seccompProfile", "appArmorProfile")


def refusals(made: Manifests, plan: Plan, policy: Policy, settings: Settings) -> Iterator[str]:
    """A phrase with the rule's name for each thing that is not allowed here."""
    spec: Mapping[str, Any] = made.pod["spec"]  # type: ignore[assignment]
    if not fits(plan.workflow, policy.workflows):
        yield f"workflows: {plan.workflow}"
    for key, value in (policy.labels or {}).items():
        if key not in plan.labels or not fits(plan.labels[key], (value,)):
            yield f"labels: {key}={value} is wanted"
    if made.namespace != settings.namespace and made.namespace not in policy.namespaces:
        yield f"namespaces: {made.namespace}"
    yield from _of_metadata(plan)
    yield from _of_pod(spec, plan, policy)
    yield from sources.refusals(made, plan, policy)
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        if container["image"] != settings.image and not fits(str(container["image"]), policy.images):
            yield f"images: {container['image']}"
        yield from _of_context(container["name"], container.get("securityContext") or {}, policy)
        yield from _of_amounts(container.get("resources") or {}, policy)


def held(made: Manifests, policy: Policy) -> Manifests:
    """The same with a limit on each step container that sets none: what the policy allows at the most."""
    most: dict[str, Json] = {name: value for name, value in (policy.most or {}).items() if name != _STORAGE}
    if not most:
        return made
    spec: Any = made.pod["spec"]
    containers = [each if each["name"] == CONDUCTOR else _limited(each, most) for each in spec["containers"]]
    return replace(made, pod={**made.pod, "spec": {**spec, "containers": containers}})


def _limited(container: Mapping[str, Any], most: Mapping[str, Json]) -> dict[str, Any]:
    """A request of nothing stands beside a limit that is ours, as the pod asks for its needs once."""
    resources = container.get("resources") or {}
    limits, requests = {**most, **(resources.get("limits") or {})}, resources.get("requests") or {}
    return {
        **container,
        "resources": {**resources, "limits": limits, "requests": {**dict.fromkeys(most, _FREE), **requests}},
    }


def _of_metadata(plan: Plan) -> Iterator[str]:
    """Labels by which somebody would take the pod for something else."""
    for holder, place in ((plan.job, "job"), (plan.pod, "pod")):
        for kind in ("labels", "annotations"):
            written = holder.get(kind)
            for key, value in written.items() if isinstance(written, dict) else ():
                agent = key == "app.kubernetes.io/name" and value == "muster-agent"
                if agent or key.startswith(_RESERVED) or key.startswith(_ADOPTED):
                    yield f"{place}.{kind}: {key} is not a workflow's"


def _of_pod(spec: Mapping[str, Any], plan: Plan, policy: Policy) -> Iterator[str]:
    account, priority = plan.pod.get("serviceAccountName"), plan.pod.get("priorityClassName")
    if account is not None and account not in policy.service_accounts:
        yield f"service_accounts: {account}"
    if priority is not None and priority not in policy.priority_classes:
        yield f"priority_classes: {priority}"
    if not policy.host_namespaces:
        yield from (f"host_namespaces: {name}" for name in _HOST if spec.get(name) or plan.pod.get(name))
    if plan.pod.get("nodeName") and not policy.node_names:
        yield f"node_names: {plan.pod['nodeName']}"
    context = spec.get("securityContext") or {}
    for sysctl in context.get("sysctls") or ():
        if (name := str(sysctl.get("name"))) not in policy.sysctls:
            yield f"sysctls: {name}"
    yield from _of_context("pod", context, policy)


def _of_context(name: str, context: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    if context.get("privileged") and not policy.privileged:
        yield f"privileged: {name}"
    if context.get("allowPrivilegeEscalation") and not policy.privileged:
        yield f"privileged: {name} allows escalation"
    if context.get("runAsUser") == 0 and not policy.root:
        yield f"root: {name}"
    for added in (context.get("capabilities") or {}).get("add") or ():
        if added not in policy.capabilities:
            yield f"capabilities: {added}"
    if not policy.unconfined:
        yield from (f"unconfined: {name} {what}" for what in _loosened(context))


def _loosened(context: Mapping[str, Any]) -> Iterator[str]:
    yield from (each for each in _PROFILES if (context.get(each) or {}).get("type") == "Unconfined")
    if (context.get("procMount") or "Default") != "Default":
        yield "procMount"
    if context.get("seLinuxOptions"):
        yield "seLinuxOptions"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "hostProcess"


def _of_amounts(resources: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    for kind in ("requests", "limits"):
        for name, value in (resources.get(kind) or {}).items():
            yield from sources.more_than_most(name, value, policy)
