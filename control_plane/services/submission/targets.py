"""Targets of runs and children: merged, filled in, replicated over the fleet. Pure; used by submission and planning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from control_plane.ports.records import AgentRow, AgentState
from control_plane.ports.store import Unit
from workflow.expressions import Unresolved, render, scope
from workflow.labels import Labels, SchedulerPolicy, Target, agent_labels, matches, replicas, shortfall
from workflow.plan.nodes import Json

Fleet = Mapping[str, Labels]
"""The labels of every agent that may take work, connected or not."""

_TAKING = frozenset({AgentState.ACTIVE, AgentState.DRAINING})


def fleet_of(unit: Unit) -> Fleet:
    """The fleet as it stands."""
    return {row.name: labels_of(row) for row in unit.fleet.list() if row.state in _TAKING}


def labels_of(row: AgentRow) -> Labels:
    """What targets see of an agent."""
    return agent_labels(row.labels, id=row.name, name=row.name)


def merged(own: Target | None, override: Target | None) -> Target | None:
    """A workflow's target with what a person wants on top: label by label, replicate and policy as a whole."""
    if override is None or own is None:
        return override or own
    return Target(
        {**own.match, **override.match},
        {**own.exclude, **override.exclude},
        override.replicate or own.replicate,
        own.policy if override.policy is SchedulerPolicy.QUEUE else override.policy,
    )


def filled(target: Target, names: Mapping[str, Json]) -> Target:
    """The target with the templates in its texts filled in. ExpressionError."""
    known = scope(names)

    def text(value: str) -> str:
        return render(value, known, Unresolved.FAIL).string if "{{" in value else value

    def all_of(labels: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return {text(key): tuple(text(value) for value in values) for key, values in labels.items()}

    return replace(
        target,
        match=all_of(target.match),
        exclude=all_of(target.exclude),
        replicate=tuple(map(text, target.replicate)),
    )


def copies(target: Target | None, fleet: Fleet) -> tuple[Target | None, ...]:
    """The targets of the copies under ``replicate``. Where no agent matches yet, one that waits for the first that
    does."""
    if target is None or not target.replicate:
        return (target,)
    return replicas(target, fleet) or (target,)


def unmatched(target: Target | None, fleet: Fleet) -> str:
    """Why a target with OnlyWhenMatches is refused, in a sentence; empty where it may be queued."""
    if target is None or target.policy is not SchedulerPolicy.ONLY_WHEN_MATCHES:
        return ""
    if any(matches(target, labels) for labels in fleet.values()):
        return ""
    return f"no agent matches, and schedulerPolicy is OnlyWhenMatches: {shortfall(target, fleet)}"


def copy_name(target: Target | None, replicate: tuple[str, ...]) -> str:
    """What tells a copy from its siblings: the values of the labels that it was made for."""
    if target is None or target.replicate:
        return ""
    return "-".join(value for key in replicate for value in target.match.get(key, ()))
