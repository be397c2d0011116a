"""What is asked for -> the objects of one agent in one cluster. Pure; called by ``muster agents install``."""

from __future__ import annotations

import json
import tomllib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from muster.install.guard import STRICT
from muster.install.rights import rules

Object = dict[str, Any]

CONDUCTOR_PORT = 7444
HEALTH_PORT = 7445
MANAGED = {"app.kubernetes.io/managed-by": "muster"}
INVITED = "muster.dev/invited"
"""Annotation of the agent's pod: by which invitation it joins, so that a new one starts a new pod."""
SETTINGS = "settings.toml"
_CONFIG_HASH = "muster.dev/config"
_STATE = "/var/lib/muster"
_CONFIG = "/etc/muster"
_USER = 1001


@dataclass(frozen=True, slots=True)
class Install:
    """One agent."""

    name: str
    namespace: str
    image: str
    invitation: str = field(default="", repr=False)
    """The one-time join string; empty: the secret is there already, and stays as it is."""
    invited: str = ""
    """What ``mark`` gave for the invitation by which the agent joined."""
    pull_policy: str | None = None
    pull_secrets: tuple[str, ...] = ()
    """For our image and for those of steps."""
    policy: str = STRICT
    """Content of policy.toml."""
    settings: str = ""
    """More of cluster.toml, as TOML: ``profile``, ``[patience]``, ``[pod]``, ... ``checked_settings`` took it."""
    tools: str = ""
    """``tools`` in cluster.toml, for the nodes that there are; empty: as the agent does by itself."""
    cpu: str = "50m"
    memory: str = "128Mi"

    @property
    def title(self) -> str:
        """The name of everything."""
        return f"muster-agent-{self.name}"

    @property
    def guard(self) -> str:
        """The name of the policy's config map."""
        return f"{self.title}-policy"


def mark(invitation: str) -> str:
    """By which invitations are told apart without being known."""
    return sha256(invitation.encode()).hexdigest()[:16]


def agent_manifests(install: Install) -> tuple[Object, ...]:
    """In the order in which they are applied."""
    return (
        namespace(install),
        _object(install, "v1", "ServiceAccount", automountServiceAccountToken=False),
        _object(install, "rbac.authorization.k8s.io/v1", "Role", rules=rules(install.title)),
        _binding(install),
        *((_secret(install),) if install.invitation else ()),
        _object(install, "v1", "ConfigMap", data=_files(install)),
        _object(install, "v1", "ConfigMap", install.guard, data={"policy.toml": install.policy}),
        _deployment(install),
        *_network(install),
    )


def namespace(install: Install) -> Object:
    """That of the agent and of its executions."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted", **MANAGED}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": install.namespace, "labels": labels}}


def cluster_file(install: Install) -> str:
    """The agent's ``cluster.toml``. Whoever writes a table ``[pod]`` says there which secrets steps are pulled with."""
    known = {"namespace": install.namespace, "image": install.image, "identity": install.title}
    if install.pull_policy:
        known["pull_policy"] = install.pull_policy
    if install.tools and "tools" not in tomllib.loads(install.settings):
        known["tools"] = install.tools
    lines = [f"{key} = {json.dumps(value)}" for key, value in known.items()]
    if install.pull_secrets and "pod" not in tomllib.loads(install.settings):
        names = ", ".join(f'{{ "name" = {json.dumps(name)} }}' for name in install.pull_secrets)
        lines.append(f"pod.imagePullSecrets = [{names}]")
    return "\n".join(lines) + "\n" + (f"\n{install.settings}" if install.settings else "")


def selected(install: Install) -> dict[str, str]:
    """The labels by which the agent's pod is found."""
    return {"app.kubernetes.io/name": "muster-agent", "app.kubernetes.io/instance": install.name}


def executions(install: Install) -> str:
    """The label by which everything that the agent made is found."""
    return f"muster.dev/agent={install.name}"


# --- parts -------------------------------------------------------------------------------------------------------


def _named(names: Sequence[str]) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


def _object(install: Install, version: str, kind: str, name: str = "", **more: Any) -> Object:
    labels = {**selected(install), **MANAGED}
    metadata = {"name": name or install.title, "namespace": install.namespace, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def _files(install: Install) -> dict[str, str]:
    """What was written by a person stands beside it as it is, to be found by the next installation."""
    written = {SETTINGS: install.settings} if install.settings else {}
    return {"cluster.toml": cluster_file(install), **written}


def _binding(install: Install) -> Object:
    return _object(
        install,
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": install.title},
        subjects=[{"kind": "ServiceAccount", "name": install.title, "namespace": install.namespace}],
    )


def _secret(install: Install) -> Object:
    data = {"invitation": b64encode(install.invitation.encode()).decode()}
    return _object(install, "v1", "Secret", type="Opaque", data=data)


def _deployment(install: Install) -> Object:
    notes = {_CONFIG_HASH: sha256((cluster_file(install) + install.policy).encode()).hexdigest()[:16]}
    if install.invited:
        notes[INVITED] = install.invited
    metadata = {"labels": {**selected(install), **MANAGED}, "annotations": notes}
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},  # two agents of one name would fence each other
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": selected(install)},
        "template": {"metadata": metadata, "spec": _pod(install)},
    }
    return _object(install, "apps/v1", "Deployment", spec=spec)


def _pod(install: Install) -> Object:
    pulling = {"imagePullSecrets": _named(install.pull_secrets)} if install.pull_secrets else {}
    sources = [{"configMap": {"name": install.title}}, {"configMap": {"name": install.guard}}]
    return {
        "serviceAccountName": install.title,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        **pulling,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_agent(install)],
        "volumes": [
            {"name": "state", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
            {"name": "config", "projected": {"sources": sources}},
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        ],
    }


def _agent(install: Install) -> Object:
    policy = {"imagePullPolicy": install.pull_policy} if install.pull_policy else {}
    return {
        "name": "agent",
        "image": install.image,
        **policy,
        "command": ["python3", "-m", "agent", "run", "--state", _STATE],
        "env": [
            {"name": "MUSTER_AGENT_EXECUTOR", "value": "kubernetes"},
            {"name": "MUSTER_AGENT_CLUSTER", "value": f"{_CONFIG}/cluster.toml"},
            {"name": "MUSTER_AGENT_HEALTH_PORT", "value": str(HEALTH_PORT)},
            {"name": "MUSTER_AGENT_HEALTH_HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "ports": [{"name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": install.cpu, "memory": install.memory}, "limits": {"memory": "512Mi"}},
        "readinessProbe": _asking("readyz", periodSeconds=2, failureThreshold=5),
        "livenessProbe": _asking("healthz", initialDelaySeconds=30, periodSeconds=30, failureThreshold=5),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "state", "mountPath": _STATE},
            {"name": "config", "mountPath": _CONFIG, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
    }


def _asking(path: str, **patience: int) -> Object:
    return {"httpGet": {"path": f"/{path}", "port": "health"}, "timeoutSeconds": 5, **patience}


def _network(install: Install) -> tuple[Object, Object]:
    """Nobody reaches the agent (its kubelet always does). Executions are reached by it, and by their own siblings."""
    version, kind = "networking.k8s.io/v1", "NetworkPolicy"
    agent = {"podSelector": {"matchLabels": selected(install)}}
    siblings = {"podSelector": {"matchLabels": {"muster.dev/agent": install.name}}}
    closed = {**agent, "policyTypes": ["Ingress"], "ingress": []}
    reached = {
        **siblings,
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": [agent], "ports": [{"port": CONDUCTOR_PORT, "protocol": "TCP"}]},
            {"from": [siblings]},
        ],
    }
    return (
        _object(install, version, kind, spec=closed),
        _object(install, version, kind, f"{install.title}-executions", spec=reached),
    )
