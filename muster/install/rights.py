"""What an agent may do: with pods, secrets and claims of its own namespace. Nothing in the cluster as a whole."""

from __future__ import annotations

from typing import Any

RULES: tuple[dict[str, Any], ...] = (
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get", "list", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get", "list", "delete"]},
    {
        "apiGroups": [""],
        "resources": ["persistentvolumeclaims"],
        "verbs": ["create", "get", "list", "deletecollection"],
    },
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
)
"""``secrets`` are read for two things alone: who the agent is, and the keys of a pod that an agent before this one
made. Who may create pods in a namespace can read its secrets in any case."""

TUNNEL: dict[str, Any] = {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"]}
"""What an agent outside of the cluster needs besides."""


def rules(identity: str) -> list[dict[str, Any]]:
    """All of them. ``identity``: the one secret that the agent may change, where it keeps who it is."""
    own = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [identity], "verbs": ["patch"]}
    return [*RULES, own]
