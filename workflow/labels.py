"""Which agents a piece of work may go to: labels, targets, and words for why nothing matches.

Called by the model (to read a target), by the planner (to carry it), by routing (to place work) and by lint. Knows
agents only as a name and labels; whether one is connected or has a free slot is not its business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeAlias

Labels: TypeAlias = Mapping[str, str]
"""Facts about an agent, granted by the control plane."""

BUILT_IN: Final = ("id", "name", "group", "runnertype")
"""Labels that every agent has; they cannot be granted."""


class SchedulerPolicy(StrEnum):
    """What happens when no agent matches: wait for one, or refuse the run at submission."""

    QUEUE = "Queue"
    ONLY_WHEN_MATCHES = "OnlyWhenMatches"


class BadTarget(ValueError):
    """Plain data that was to be a target is none. The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where work may run. An empty target fits every agent.

    The values of one key of ``match`` are alternatives, several keys must all hold; any hit in ``exclude`` rules an
    agent out; ``replicate`` makes one copy for each distinct combination of these labels among the agents that match.
    """

    match: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    replicate: tuple[str, ...] = ()
    policy: SchedulerPolicy = SchedulerPolicy.QUEUE

    def __str__(self) -> str:
        wanted = [_said(key, values) for key, values in self.match.items()]
        wanted += ["not " + _said(key, values) for key, values in self.exclude.items()]
        wanted += [f"a label {key}" for key in self.replicate if key not in BUILT_IN]
        return " and ".join(wanted) or "any agent"


def agent_labels(granted: Labels, *, id: str, name: str, group: str = "", runnertype: str = "superagent") -> Labels:  # noqa: A002
    """The labels that targets see: those granted, and the built-in ones, which win. Empty ones are left out."""
    built_in = {"id": id, "name": name, "group": group, "runnertype": runnertype}
    return {**granted, **{key: value for key, value in built_in.items() if value}}


def matches(target: Target, labels: Labels) -> bool:
    """Whether an agent with these labels may take the work."""
    return not _unmet(target, labels)


def replicas(target: Target, agents: Mapping[str, Labels]) -> tuple[Target, ...]:
    """The targets of the copies: one for each distinct combination of the replicate labels, sorted.

    Each copy is pinned to its values by ``match``. Without ``replicate`` the target itself; with it and no agent that
    matches, none yet.
    """
    if not target.replicate:
        return (target,)
    fitting = [labels for labels in agents.values() if matches(target, labels)]
    combinations = sorted({tuple(labels[key] for key in target.replicate) for labels in fitting})
    return tuple(_pinned(target, values) for values in combinations)


def shortfall(target: Target, agents: Mapping[str, Labels]) -> str:
    """Why the work waits, in a sentence: what it wants, how many agents have it, and how the nearest one differs."""
    count = sum(matches(target, labels) for labels in agents.values())
    if not agents:
        return f"waits for {target}: there are no agents"
    noun = "agent matches" if len(agents) == 1 else "agents match"
    if count:
        return f"waits for {target}: {count} of {len(agents)} {noun}, none is free"
    name, labels = min(agents.items(), key=lambda item: (len(_unmet(target, item[1])), item[0]))
    return f"waits for {target}: 0 of {len(agents)} {noun}; nearest: {name} {_has(_unmet(target, labels), labels)}"


def from_data(data: Mapping[str, object]) -> Target:
    """A target from plain data: the language's form, or its short form ``{name: X}``. Raises ``BadTarget``."""
    unknown = sorted(set(data) - {"name", "match", "not", "replicate", "schedulerPolicy"})
    if unknown:
        raise BadTarget(f"a target has no field {unknown[0]!r}")
    match = _values_by_label("match", data.get("match"))
    name = data.get("name")
    if name is not None:
        match = {**match, "name": _texts("name", name)}
    policy = data.get("schedulerPolicy") or SchedulerPolicy.QUEUE
    try:
        known_policy = SchedulerPolicy(str(policy))
    except ValueError:
        raise BadTarget(f"schedulerPolicy must be OnlyWhenMatches, not {policy!r}") from None
    replicate = _texts("replicate", data.get("replicate") or ())
    return Target(match, _values_by_label("not", data.get("not")), replicate, known_policy)


def to_data(target: Target) -> dict[str, object]:
    """The language's form of a target, for a document or for storage; ``from_data`` gives the same target again."""
    data: dict[str, object] = {}
    if target.policy is not SchedulerPolicy.QUEUE:
        data["schedulerPolicy"] = target.policy.value
    if target.match:
        data["match"] = {key: list(values) for key, values in target.match.items()}
    if target.exclude:
        data["not"] = {key: list(values) for key, values in target.exclude.items()}
    if target.replicate:
        data["replicate"] = list(target.replicate)
    return data


def _unmet(target: Target, labels: Labels) -> list[str]:
    """The labels for which an agent does not fit, most important first."""
    missing = [key for key, values in target.match.items() if labels.get(key) not in values]
    excluded = [key for key, values in target.exclude.items() if labels.get(key) in values]
    unlabelled = [key for key in target.replicate if key not in labels]
    return list(dict.fromkeys(missing + excluded + unlabelled))


def _pinned(target: Target, values: Sequence[str]) -> Target:
    pins = {key: (value,) for key, value in zip(target.replicate, values, strict=True)}
    return replace(target, match={**target.match, **pins}, replicate=())


def _has(keys: Sequence[str], labels: Labels) -> str:
    held = [f"{key}={labels[key]}" if key in labels else f"no label {key}" for key in keys]
    return "has " + " and ".join(held)


def _said(key: str, values: Sequence[str]) -> str:
    return f"{key}={'|'.join(values)}"


def _values_by_label(name: str, data: object) -> dict[str, tuple[str, ...]]:
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise BadTarget(f"{name} must map labels to values")
    return {str(key): _texts(f"{name}.{key}", values) for key, values in data.items()}


def _texts(name: str, data: object) -> tuple[str, ...]:
    values = (data,) if isinstance(data, str) else data
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise BadTarget(f"{name} must be a text or a list of texts")
    return tuple(values)
