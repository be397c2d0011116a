"""An agent taken out of a cluster, with everything that it and its installation made; and what is left, said.

Called by ``muster agents uninstall``; may be repeated. A namespace goes only where installing made it and nothing of
anybody else stands in it.
"""

from __future__ import annotations

from typing import Final

from muster.install.cluster import Cluster
from muster.install.manifests import MANAGED, Install, executions, selected
from muster.install.problems import BROKEN, InstallProblem
from muster.install.waiting import Say, Waiting

_MADE: Final = ("Pod", "Secret", "PersistentVolumeClaim")
"""What an agent makes."""
_FOREIGN: Final = ("Pod", "Deployment", "StatefulSet", "Service", "Secret", "ConfigMap", "PersistentVolumeClaim")
"""Where one of these is left in a namespace, the namespace stays."""
_CLUSTERS_OWN: Final = frozenset({"kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert"})


async def uninstall(cluster: Cluster, gone: Install, keep_identity: bool, seconds: float, say: Say) -> None:
    """Take it away. ``gone`` names it. ``keep_identity``: the secret by which a later installation is the same agent
    stays. InstallProblem where something does not go."""
    space = await cluster.get("Namespace", gone.namespace)
    if space is None:
        say(f"there is no namespace {gone.namespace} in {cluster.name}: nothing was there")
        return
    installed, made = await _installed(cluster, gone, keep_identity), await _made(cluster, gone)
    for kind, name in installed:
        await cluster.delete(kind, name, gone.namespace)
    for kind, name in made:
        await cluster.delete(kind, name, gone.namespace)

    async def left() -> list[str]:
        """What is still there; what appeared meanwhile is deleted too."""
        for kind, name in await _made(cluster, gone):
            await cluster.delete(kind, name, gone.namespace)
        now = [
            *await _installed(cluster, gone, keep_identity),
            *await _made(cluster, gone),
            *await _pods(cluster, gone),
        ]
        return [f"{kind} {name}" for kind, name in now]

    selector = ",".join(f"{key}={value}" for key, value in selected(gone).items())
    remaining = await Waiting(cluster, gone.namespace, gone.title, selector).gone(left, seconds)
    if remaining:
        raise InstallProblem(
            f"in namespace {gone.namespace} of {cluster.name} these do not go: {', '.join(remaining)}",
            "look at their finalizers and at their node, then uninstall again",
            BROKEN,
        )
    say(f"removed from {cluster.name}: {_counted(installed)}" + (f"; of executions: {_counted(made)}" if made else ""))
    await _leave(cluster, gone, space, keep_identity, say)


async def _installed(cluster: Cluster, gone: Install, keep_identity: bool) -> list[tuple[str, str]]:
    named = [
        ("Deployment", gone.title),
        ("NetworkPolicy", gone.title),
        ("NetworkPolicy", f"{gone.title}-executions"),
        ("RoleBinding", gone.title),
        ("Role", gone.title),
        ("ServiceAccount", gone.title),
        ("ConfigMap", gone.title),
        ("ConfigMap", gone.guard),
        *([] if keep_identity else [("Secret", gone.title)]),
    ]
    return [(kind, name) for kind, name in named if await cluster.get(kind, name, gone.namespace) is not None]


async def _made(cluster: Cluster, gone: Install) -> list[tuple[str, str]]:
    return [
        (kind, each["metadata"]["name"])
        for kind in _MADE
        for each in await cluster.all(kind, gone.namespace, executions(gone))
    ]


async def _pods(cluster: Cluster, gone: Install) -> list[tuple[str, str]]:
    selector = ",".join(f"{key}={value}" for key, value in selected(gone).items())
    return [("Pod", each["metadata"]["name"]) for each in await cluster.all("Pod", gone.namespace, selector)]


async def _leave(cluster: Cluster, gone: Install, space: dict[str, object], keep_identity: bool, say: Say) -> None:
    """The namespace."""
    if keep_identity:
        say(f"left: secret {gone.title} in namespace {gone.namespace}, by which another installation is this agent")
        return
    metadata = space.get("metadata")
    labels = (metadata.get("labels") or {}) if isinstance(metadata, dict) else {}
    if any(labels.get(key) != value for key, value in MANAGED.items()):
        say(f"left: namespace {gone.namespace}, which was there before")
        return
    if others := await _others(cluster, gone):
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        say(f"left: namespace {gone.namespace}, which holds {', '.join(others[:5])}{more}")
        return
    await cluster.delete("Namespace", gone.namespace)
    say(f"namespace {gone.namespace} held nothing else and goes too")


async def _others(cluster: Cluster, gone: Install) -> list[str]:
    found = []
    for kind in _FOREIGN:
        for each in await cluster.all(kind, gone.namespace):
            name = str(each["metadata"]["name"])
            token = each.get("type") == "kubernetes.io/service-account-token"
            if name not in _CLUSTERS_OWN and not token:
                found.append(f"{kind} {name}")
    return found


def _counted(found: list[tuple[str, str]]) -> str:
    kinds = dict.fromkeys(kind for kind, _ in found)
    return ", ".join(f"{sum(kind == each for each, _ in found)} {kind}" for kind in kinds) or "nothing"
