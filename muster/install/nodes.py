"""What the nodes of a cluster can do, as far as it decides how pods are made there. Pure; called by ``installing``.

Pods start sooner where their tools are a volume of our image (docs/adr/0012-first-step-of-a-pod.md). Whoever installs
an agent may see the nodes; the agent itself has no right to.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

IMAGE: Final = "image"
HOOK: Final = "hook"
_KUBERNETES: Final = (1, 35)
"""From this version on volumes may be images, unless somebody switched it off."""
_CONTAINERD: Final = (2, 2)
"""From this version on a part of such a volume can be mounted, and programs run from it. Tried; other runtimes were
not."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How busybox comes into step containers (``tools`` in cluster.toml), and why, for people."""

    tools: str
    why: str


def choice(nodes: Sequence[Mapping[str, Any]]) -> Choice:
    """By all nodes: the one that can do the least decides."""
    infos = [(_name(node), (node.get("status") or {}).get("nodeInfo") or {}) for node in nodes]
    for name, info in infos:
        kubelet, runtime = str(info.get("kubeletVersion", "")), str(info.get("containerRuntimeVersion", ""))
        kind, _, version = runtime.partition("://")
        if _version(kubelet) < _KUBERNETES:
            return Choice(HOOK, f"node {name} has Kubernetes {kubelet or 'of no known version'}")
        if kind != "containerd" or _version(version) < _CONTAINERD:
            return Choice(HOOK, f"node {name} has {runtime.replace('://', ' ') or 'no known runtime'}")
    if not infos:
        return Choice(HOOK, "there is no node yet")
    return Choice(IMAGE, "every node has Kubernetes 1.35 and containerd 2.2, or later")


def chosen_before(config: Mapping[str, Any] | None) -> str:
    """What an earlier installation wrote into the agent's config map; empty where it wrote nothing."""
    try:
        written = tomllib.loads(str(((config or {}).get("data") or {}).get("cluster.toml", "")))
    except tomllib.TOMLDecodeError:
        return ""
    found = written.get("tools", "")
    return found if found in (IMAGE, HOOK) else ""


def _name(node: Mapping[str, Any]) -> str:
    return str((node.get("metadata") or {}).get("name", "of no name"))


def _version(text: str) -> tuple[int, int]:
    """Major and minor; of what is no version, the lowest there is."""
    found = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
