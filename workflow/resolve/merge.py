"""Laying one part of a document over another: what a template gives, under what its user says.

Called by ``apply``. Knows how each field combines; knows nothing of expressions. Every function takes the base (the
template's) first and what is laid over it second, and leaves both as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from workflow.model import ContainerConfig, EnvVar, FileContent, GitContent, Node
from workflow.source import Place, Placed

N = TypeVar("N", bound=Node)

_LISTS_ADD_UP: Final = frozenset(
    {
        "env_from",
        "volume_mounts",
        "volumes",
        "image_pull_secrets",
        "tolerations",
        "host_aliases",
        "topology_spread_constraints",
        "scheduling_gates",
        "resource_claims",
        "tarball",
        "transfer",
        "events",
    }
)
_SOURCES: Final = (("username", "username_from"), ("token", "token_from"), ("ssh_key", "ssh_key_from"))
_OTHER_SOURCE: Final = {a: b for pair in _SOURCES for a, b in (pair, pair[::-1])}
_BY_NAME: Final = frozenset({"env", "files"})


def overlaid(base: N | None, over: N | None) -> N | None:
    """``over`` where it says something, else ``base``. Lists of things add up, mappings unite, parts go on inside."""
    if base is None or over is None:
        return over if base is None else base
    updates = {name: _value(name, base, over) for name in over.model_fields_set if getattr(over, name) is not None}
    if isinstance(over, ContainerConfig) and over.image is not None:
        updates = {"command": None, "args": None, **updates}
    if isinstance(over, GitContent):
        updates = {**{_OTHER_SOURCE[name]: None for name in updates if name in _OTHER_SOURCE}, **updates}
    changed = base.model_copy(update=updates)
    return changed.at(united(base.place, over.place))


def united(base: Place | None, over: Place | None) -> Place | None:
    """One place for a part that two documents make up: each field where it was written, the whole as ``over``."""
    if base is None or over is None:
        return over or base
    below, above = base[3], over[3]
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return over
    inside: dict[str, Placed] = {**below, **above}
    return (over[0], over[1], over[2], inside)


def _value(name: str, base: Node, over: Node) -> Any:
    before, after = getattr(base, name), getattr(over, name)
    if isinstance(before, Node) and isinstance(after, Node):
        return overlaid(before, after)
    if isinstance(before, dict) and isinstance(after, dict):
        return {**before, **after}
    if isinstance(before, tuple) and name in _BY_NAME:
        return _by_name(before, after)
    if isinstance(before, tuple) and name in _LISTS_ADD_UP:
        return (*before, *after)
    return after


def _by_name(before: tuple[Node, ...], after: tuple[Node, ...]) -> tuple[Node, ...]:
    """Both lists; where a name stands in both, the later one only."""
    named = {_name(item): item for item in before}
    for item in after:
        named.pop(_name(item), None)
        named[_name(item)] = item
    return tuple(named.values())


def _name(item: Node) -> str:
    match item:
        case EnvVar():
            return item.name
        case FileContent():
            return item.path
        case _:
            raise TypeError(f"{type(item).__name__} has no name to merge by")
