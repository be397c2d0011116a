"""A pod as the API server shows it -> what became of it, in the cluster's own words. Pure.

Called by the executor whenever a pod changes, and at fixed moments when it does not. Gone is never success: what is
said here is why there is no conductor, never that its work is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.executors.kubernetes.settings import Patience
from agent.ports.conductor import CONDUCTOR

Pod = Mapping[str, Any]

_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_PULLING = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"})
_UNDER_WAY = frozenset({"ContainerCreating", "PodInitializing"})
"""What explains nothing."""
_REPEATED = frozenset({"CreateContainerConfigError", "CreateContainerError"})
"""What the kubelet tries again, and sometimes with success."""


@dataclass(frozen=True, slots=True)
class Coming:
    """It is on its way. ``words`` say what it waits for."""

    words: str = ""


@dataclass(frozen=True, slots=True)
class Up:
    """The conductor's container runs."""

    address: str


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no conductor, and there will be none. ``overdue``: that follows from our patience alone; ``explained``:
    whether the pod's status says why."""

    words: str
    overdue: bool = False
    explained: bool = True


State = Coming | Up | Gone


@dataclass(frozen=True, slots=True)
class Casualty:
    """A step's container that ended, or will never run (``final``)."""

    container: str
    words: str
    final: bool


def state(pod: Pod, now: float, patience: Patience) -> State:
    """Where the pod stands. ``now`` in seconds since 1970."""
    status, metadata = pod.get("status") or {}, pod.get("metadata") or {}
    if status.get("phase") in {"Failed", "Succeeded"}:
        return Gone(ending(pod))
    if metadata.get("deletionTimestamp") and now - _seconds(metadata["deletionTimestamp"], now) > patience.removal:
        return Gone(f"{ending(pod)}; its node does not confirm it", overdue=True)
    conductor = _container(pod, CONDUCTOR)
    if conductor is not None and "running" in (conductor.get("state") or {}) and status.get("podIP"):
        return Up(str(status["podIP"]))
    if metadata.get("deletionTimestamp"):
        return Gone(ending(pod))
    waited = now - _seconds(metadata.get("creationTimestamp"), now)
    return _waiting(pod, conductor, waited, patience)


def ending(pod: Pod) -> str:
    """Why a pod is gone, as far as its last state tells."""
    status, metadata = pod.get("status") or {}, pod.get("metadata") or {}
    words = _sentence(status.get("reason"), status.get("message")) or _disruption(pod)
    conductor = _container(pod, CONDUCTOR)
    terminated = _terminated(conductor) if conductor is not None else None
    if not words and metadata.get("deletionTimestamp"):
        words = "the pod is gone: it was deleted"
    if not words and terminated is not None and terminated.get("exitCode") != 0:
        words = f"the conductor is gone: its container ended: {_death(terminated)}"
    if not words and terminated is None and status.get("phase") not in {"Failed", "Succeeded"}:
        words = "the pod is gone: somebody deleted it"
    return words or "the conductor is gone: its container ended"


def leaving(pod: Pod) -> str:
    """Why a pod that may still run is to end, as far as its state tells; empty where it stays."""
    if words := _disruption(pod):
        return words
    return "it was deleted" if (pod.get("metadata") or {}).get("deletionTimestamp") else ""


def casualties(pod: Pod, now: float, patience: Patience) -> Iterator[Casualty]:
    """What its conductor should know of the containers of its steps."""
    metadata = pod.get("metadata") or {}
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        name = str(container.get("name"))
        if name == CONDUCTOR:
            continue
        waited = now - _seconds(metadata.get("creationTimestamp"), now)
        waiting = (container.get("state") or {}).get("waiting") or {}
        last = _terminated(container)
        if _never(str(waiting.get("reason", "")), waited, container, patience):
            yield Casualty(name, _sentence(waiting.get("reason"), waiting.get("message")), final=True)
        elif last is not None and last.get("reason") in {"StartError", "ContainerCannotRun"}:
            yield Casualty(name, _death(last), final=True)
        elif last is not None and last.get("exitCode") != 0:
            yield Casualty(name, _death(last), final=False)


def troubled(pod: Pod) -> bool:
    """Whether there may be something to say of it: it was told to end, or a container waits for more than its turn."""
    containers = (pod.get("status") or {}).get("containerStatuses") or ()
    reasons = {str(((each.get("state") or {}).get("waiting") or {}).get("reason") or "") for each in containers}
    return bool(leaving(pod)) or not reasons <= {*_UNDER_WAY, ""}


def _never(reason: str, waited: float, container: Mapping[str, Any], patience: Patience) -> bool:
    """Whether a container that waits for this reason will not run."""
    if reason in _HOPELESS:
        return True
    if reason in _PULLING or reason in _REPEATED:
        return waited > patience.pull
    return reason in {"RunContainerError", "StartError"} and container.get("restartCount", 0) > 2


def patient_for(pod: Pod, now: float, patience: Patience) -> float:
    """Seconds after which the same pod may be judged otherwise, though nothing of it changes."""
    metadata = pod.get("metadata") or {}
    born = _seconds(metadata.get("creationTimestamp"), now)
    moments = [born + patience.pull, born + patience.pending]
    if metadata.get("deletionTimestamp"):
        moments.append(_seconds(metadata["deletionTimestamp"], now) + patience.removal)
    return min((moment - now + 0.1 for moment in moments if moment > now), default=1e9)


def ready(pod: Pod) -> bool:
    """Whether the kubelet calls every container ready."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _waiting(pod: Pod, conductor: Mapping[str, Any] | None, waited: float, patience: Patience) -> State:
    waiting = ((conductor or {}).get("state") or {}).get("waiting") or {}
    reason = str(waiting.get("reason", ""))
    words = _sentence(reason, waiting.get("message"))
    if conductor is not None and _never(reason, waited, conductor, patience):
        return Gone(words, overdue=reason not in _HOPELESS)
    terminated = _terminated(conductor) if conductor is not None else None
    if terminated is not None:
        dead = _seconds(terminated.get("finishedAt"), 0)
        if _clock_of(pod, waited) - dead > patience.pull:
            words = f"the conductor is gone: its container ended and does not come back: {_death(terminated)}"
            return Gone(words, overdue=True)
        return Coming(f"the conductor's container is started again after {_death(terminated)}")
    words = "" if reason in _UNDER_WAY else words
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            words = _sentence(condition.get("reason"), condition.get("message"))
    if waited > patience.pending:
        late = f"it did not start within {patience.pending:.0f} s"
        return Gone(f"{late}: {words}" if words else late, overdue=True, explained=bool(words))
    return Coming(words)


def _disruption(pod: Pod) -> str:
    """What some part of the cluster says that is about to end it: a drain, a preemption, its node."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return _sentence(condition.get("reason"), condition.get("message"))
    return ""


def _clock_of(pod: Pod, waited: float) -> float:
    """The present moment, from how long the pod has been there."""
    return _seconds((pod.get("metadata") or {}).get("creationTimestamp"), 0) + waited


def _container(pod: Pod, name: str) -> Mapping[str, Any] | None:
    statuses: Sequence[Mapping[str, Any]] = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((each for each in statuses if each.get("name") == name), None)


def _terminated(container: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for kind in ("state", "lastState"):
        found: Mapping[str, Any] | None = (container.get(kind) or {}).get("terminated")
        if found is not None:
            return found
    return None


def _death(terminated: Mapping[str, Any]) -> str:
    reason = str(terminated.get("reason") or "ended")
    words = f"{reason}, exit code {terminated.get('exitCode')}"
    message = str(terminated.get("message") or "").strip()
    return f"{words}: {message}" if message else words


def _sentence(reason: object, message: object) -> str:
    parts = [str(part).strip() for part in (reason, message) if part]
    return ": ".join(parts)


def _seconds(moment: object, otherwise: float) -> float:
    try:
        return datetime.fromisoformat(str(moment).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return otherwise
