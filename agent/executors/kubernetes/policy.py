"""What this cluster allows, whatever the control plane says: the agent's own rules, from a file beside it.

Read by ``opening``; ``guard`` holds what is to be made against it. The default is strict; a rule that is not written is
the default's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from workflow.pods.resources import BadQuantity, quantity


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
    """Labels that a workflow must bear, their values as patterns."""
    most: Mapping[str, str] | None = None
    """Of each resource, what one container may ask for or be limited to; a step's that sets no limit gets this one.
    ``storage``: what one volume claim may ask for."""
    host_paths: tuple[str, ...] = ()
    host_namespaces: bool = False
    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    """That may be added."""
    unconfined: bool = False
    """Whether seccomp, AppArmor, SELinux and the masks of /proc may be changed or turned off."""
    sysctls: tuple[str, ...] = ()
    """That may be set."""
    root: bool = False
    """Whether a step may be user 0."""
    node_names: bool = False
    """Whether a workflow may pick a node past the scheduler."""
    priority_classes: tuple[str, ...] = ()
    """That a workflow may name: a pod of a high one drives others away."""
    volumes: tuple[str, ...] = (
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    )
    """Kinds of volumes."""
    secrets: tuple[str, ...] = ("*",)
    """Secrets that a workflow may read. Those of attempts and agents are nobody's."""
    claims: tuple[str, ...] = ("*",)
    """Volume claims that a workflow may mount, beside its own. Those of other executions are nobody's."""


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
    _check_tables(found)
    return Policy(**found)


def fits(text: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is met."""
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _check_tables(found: Mapping[str, Any]) -> None:
    for name in ("labels", "most"):
        table = found.get(name, {})
        if not isinstance(table, Mapping):
            raise BadPolicy(f"the policy's {name!r} must be a table")
        try:
            for value in table.values():
                if name == "most":
                    quantity(value)
                elif not isinstance(value, str):
                    raise BadPolicy(f"the policy's {name!r} must hold texts")
        except BadQuantity as problem:
            raise BadPolicy(f"the policy's 'most': {problem}") from None
