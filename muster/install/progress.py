"""How far a deployment of one pod is, and what holds it up, in the cluster's own words. Pure; called by ``waiting``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"})
"""Reasons that do not heal by waiting."""
_HARMLESS = frozenset({"MissingClusterDNS", "DNSConfigForming"})
"""Warnings that hold nothing up."""
_USUAL = frozenset({"ContainerCreating", "PodInitializing"})


@dataclass(frozen=True, slots=True)
class Progress:
    """``there``: the newest pod runs and is ready. ``words``: what is waited for. ``trouble``: it is held up."""

    there: bool
    words: str
    trouble: bool = False
    hopeless: bool = False
    """Waiting does not help."""


def progress(deployment: Object | None, pods: Sequence[Object], events: Sequence[Object] = ()) -> Progress:
    """Of a deployment, its pods, and what the cluster says of them."""
    if deployment is None:
        return Progress(False, "the deployment")
    status, metadata = deployment.get("status") or {}, deployment["metadata"]
    if status.get("observedGeneration", 0) < metadata.get("generation", 1):
        return Progress(False, "the cluster to take notice of the deployment")
    if (refused := _condition(status, "ReplicaFailure")) is not None:
        return Progress(False, f"the cluster makes no pod: {refused.get('message', '')}", True)
    living = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    if status.get("updatedReplicas", 0) >= 1 and status.get("replicas") == status.get("availableReplicas") and living:
        return Progress(True, "")
    leaving = len(pods) - len(living)
    if not living:
        return Progress(False, "the pod before it to end" if leaving else "the pod to be made")
    newest = max(living, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    return next(_held_up(newest, events), Progress(False, "the agent to connect"))


def _held_up(pod: Object, events: Sequence[Object]) -> Iterator[Progress]:
    status, name = pod.get("status") or {}, pod["metadata"]["name"]
    placed = _condition(status, "PodScheduled", "False")
    if placed is not None:
        yield Progress(False, f"no node takes pod {name}: {placed.get('message', '')}", True)
    for container in status.get("containerStatuses") or ():
        yield from _of_container(container)
    if status.get("phase") == "Pending":
        warned = _warnings(events, name)
        held = f"pod {name} does not start: {warned}" if warned else f"pod {name} to start"
        yield Progress(False, held, bool(warned))
    if status.get("phase") == "Failed":
        words = status.get("message") or status.get("reason") or "it failed"
        yield Progress(False, f"pod {name} is no more: {words}", True)


def _of_container(container: Object) -> Iterator[Progress]:
    state = container.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    reason, before = waiting.get("reason", ""), (container.get("lastState") or {}).get("terminated") or {}
    if ended or (reason == "CrashLoopBackOff" and before):
        yield Progress(False, f"the agent ended: {_last_words(ended or before)}", True)
    elif waiting and reason not in _USUAL:
        words = waiting.get("message") or reason
        yield Progress(False, f"{reason}: {words}", True, reason in _HOPELESS)
    elif before and not container.get("ready"):
        yield Progress(False, f"the agent to connect; before, it ended: {_last_words(before)}", True)


def _last_words(ended: Object) -> str:
    lines = [line for line in str(ended.get("message", "")).splitlines() if line.strip()]
    said = next((line for line in reversed(lines) if line.startswith("muster agent: ")), lines[-1] if lines else "")
    return said.removeprefix("muster agent: ") or f"{ended.get('reason', '')}, exit code {ended.get('exitCode')}"


def _warnings(events: Iterable[Object], pod: str) -> str:
    found = [
        event
        for event in events
        if event.get("type") == "Warning"
        and event.get("reason") not in _HARMLESS
        and (event.get("involvedObject") or {}).get("name") == pod
    ]
    found.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return f"{found[-1].get('reason')}: {found[-1].get('message')}" if found else ""


def _condition(status: Object, kind: str, value: str = "True") -> Object | None:
    found: Iterable[Object] = status.get("conditions") or ()
    return next((each for each in found if each.get("type") == kind and each.get("status") == value), None)
