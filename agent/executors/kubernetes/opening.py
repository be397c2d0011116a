"""The executor made from its file, ``cluster.toml``: how pods are made here, and the policy that guards the cluster.

Called by agent.assembly. The file lies beside the agent, where no control plane reaches: keys are the fields of
``Settings``, tables ``[patience]``, ``[pod]``, ``[commands]``, ``[policy]``; ``kubeconfig`` and ``context`` for an
agent outside of the cluster.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from agent.executors.kubernetes.calls import Calls
from agent.executors.kubernetes.executor import KubernetesExecutor
from agent.executors.kubernetes.policy import BadPolicy, Policy, read_policy
from agent.executors.kubernetes.settings import Patience, Profile, Reach, Settings, Tools

FILE = "cluster.toml"
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


def read_cluster(text: str, agent: str, version: str, alone: int) -> Cluster:
    """The file's content. Raises BadCluster."""
    try:
        found = tomllib.loads(text)
        policy = read_policy(found.pop("policy", {}))
        kubeconfig, context = _path(found.pop("kubeconfig", "")), found.pop("context", None)
        outside = {"reach": Reach.TUNNEL} if kubeconfig else {}
        settings = Settings(agent=agent, version=version, alone=alone, **{**outside, **_known(found)})
    except (ValueError, TypeError, BadPolicy) as problem:
        raise BadCluster(f"{FILE}: {problem}") from None
    return Cluster(settings, policy, kubeconfig, context)


async def open_cluster(cluster: Cluster) -> KubernetesExecutor:
    """The executor; its ``run`` is to be run beside it. Raises BadCluster."""
    configuration = Configuration()
    try:
        if cluster.kubeconfig:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                cluster.kubeconfig, cluster.context, client_configuration=configuration
            )
        else:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as problem:
        raise BadCluster(f"the cluster cannot be reached: {problem}") from None
    return KubernetesExecutor(Calls(ApiClient(configuration)), cluster.settings, cluster.policy)


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
    return known


def _path(text: object) -> str:
    return str(Path(str(text)).expanduser()) if text else ""
