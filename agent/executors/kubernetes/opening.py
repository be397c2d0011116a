"""The executor made from its file, ``cluster.toml``: how pods are made here, and the policy that guards the cluster.

Called by agent.assembly. The file lies beside the agent, where no control plane reaches: keys are the fields of
``Settings``, tables ``[patience]``, ``[pod]``, ``[commands]``, ``[env]``, ``[policy]``; ``kubeconfig`` and ``context``
for an agent outside of the cluster; ``identity``, the Secret that keeps who the agent is, for one inside. The policy
may stand in a file of its own, ``policy.toml``, so that who writes the one need not be let to write the other.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from agent.executors.kubernetes.calls import Calls
from agent.executors.kubernetes.client import NoAccess, inside, outside
from agent.executors.kubernetes.executor import KubernetesExecutor
from agent.executors.kubernetes.keeping import Kept
from agent.executors.kubernetes.policy import BadPolicy, Policy, read_policy
from agent.executors.kubernetes.settings import Patience, Profile, Reach, Settings, Tools

FILE = "cluster.toml"
POLICY = "policy.toml"
_CHOICES = {"tools": Tools, "profile": Profile, "reach": Reach}


class BadCluster(Exception):
    """The file cannot be used, or the cluster not be reached with it. One sentence."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the file says."""

    settings: Settings
    policy: Policy
    kubeconfig: str = ""
    """Empty: this program is a pod of the cluster itself."""
    context: str | None = None
    identity: str = ""
    """A Secret; empty: the agent's state folder keeps who it is."""


def read_cluster(text: str, agent: str, version: str, alone: int, policy_text: str | None = None) -> Cluster:
    """The files' content; ``policy_text`` is that of policy.toml, where it is there. Raises BadCluster."""
    try:
        found = tomllib.loads(text)
        if policy_text is not None and "policy" in found:
            raise ValueError(f"[policy] stands here and in {POLICY}: which one is meant?")
        policy = read_policy(found.pop("policy", {}) if policy_text is None else tomllib.loads(policy_text))
        kubeconfig, context = _path(found.pop("kubeconfig", "")), found.pop("context", None)
        kept = str(found.pop("identity", ""))
        outside = {"reach": Reach.TUNNEL} if kubeconfig else {}
        settings = Settings(agent=agent, version=version, alone=alone, **{**outside, **_known(found)})
    except (ValueError, TypeError, BadPolicy) as problem:
        raise BadCluster(f"{FILE}: {problem}") from None
    return Cluster(settings, policy, kubeconfig, context, kept)


async def open_cluster(cluster: Cluster) -> KubernetesExecutor:
    """The executor; its ``run`` is to be run beside it. Raises BadCluster."""
    return KubernetesExecutor(await _calls(cluster), cluster.settings, cluster.policy)


async def open_kept(cluster: Cluster) -> Kept:
    """Where the identity is kept. Raises BadCluster."""
    return Kept(await _calls(cluster), cluster.settings.namespace, cluster.identity)


async def _calls(cluster: Cluster) -> Calls:
    try:
        return Calls(await (outside(cluster.kubeconfig, cluster.context) if cluster.kubeconfig else inside()))
    except NoAccess as problem:
        raise BadCluster(str(problem)) from None


def _known(found: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(Settings)} - {"agent", "version", "alone"}
    known: dict[str, Any] = {}
    for key, value in found.items():
        name = key.replace("-", "_")
        if name not in names:
            raise ValueError(f"{key!r} is no setting; settings are {', '.join(sorted(names))}")
        known[name] = value
    for name, choice in _CHOICES.items():
        if name in known:
            known[name] = choice(known[name])
    if "namespaces" in known:
        known["namespaces"] = tuple(known["namespaces"])
    if "patience" in known:
        known["patience"] = Patience(**{key: float(value) for key, value in known["patience"].items()})
    if "commands" in known:
        known["commands"] = {image: tuple(argv) for image, argv in known["commands"].items()}
    if "env" in known:
        known["env"] = {str(variable): str(value) for variable, value in known["env"].items()}
    return known


def _path(text: object) -> str:
    return str(Path(str(text)).expanduser()) if text else ""
