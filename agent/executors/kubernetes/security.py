"""Security contexts: what the workflow says, and below it what the profile asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.executors.kubernetes.settings import Profile, Settings
from workflow.plan.nodes import Json, Plan

_IDS = frozenset({"runAsUser", "runAsGroup", "fsGroup"})
_TIGHT: Mapping[str, Json] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def of_pod(plan: Plan, settings: Settings, steps: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """The pod's. The shared directories belong to a group that every container has."""
    found = _numbers(_written(plan.pod))
    if not plan.pod.get("disableFsGroupDefaulting"):
        found.setdefault("fsGroup", _group(found, settings, steps))
        found.setdefault("fsGroupChangePolicy", "OnRootMismatch")
    if settings.profile is Profile.RESTRICTED:
        found.setdefault("seccompProfile", {"type": "RuntimeDefault"})
    return found


def of_step(written: Mapping[str, Json], plan: Plan, settings: Settings) -> dict[str, Json]:
    """A step container's."""
    found = _numbers(written)
    if settings.profile is not Profile.RESTRICTED:
        return found
    around = _numbers(_written(plan.pod))
    for name, value in _TIGHT.items():
        found.setdefault(name, value)
    if isinstance(found["capabilities"], dict):
        found["capabilities"] = {"drop": ["ALL"], **found["capabilities"]}
    if "runAsUser" not in found and "runAsUser" not in around:
        found["runAsUser"] = settings.user
    if found.get("runAsUser", around.get("runAsUser")) != 0 and "runAsNonRoot" not in around:
        found.setdefault("runAsNonRoot", True)
    return found


def of_conductor(settings: Settings) -> dict[str, Json]:
    """Our own containers': the tightest there is."""
    return {
        **_TIGHT,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": settings.user,
        "runAsGroup": settings.group,
    }


def _group(pod: Mapping[str, Json], settings: Settings, steps: Sequence[Mapping[str, Json]]) -> Json:
    if (group := pod.get("runAsGroup")) is not None:
        return group
    groups = {str(group): group for step in steps if (group := _numbers(step).get("runAsGroup")) is not None}
    return next(iter(groups.values())) if len(groups) == 1 else settings.group


def _written(pod: Mapping[str, Json]) -> Mapping[str, Json]:
    context = pod.get("securityContext")
    return context if isinstance(context, dict) else {}


def _numbers(context: Mapping[str, Json]) -> dict[str, Json]:
    """Ids may be written as texts."""
    return {name: _number(value) if name in _IDS else value for name, value in context.items()}


def _number(value: Json) -> Json:
    return int(value) if isinstance(value, str) and value.isdecimal() else value
