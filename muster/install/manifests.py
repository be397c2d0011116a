"""What is asked for -> the objects of one agent in one cluster. Pure; called by ``muster agents install``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from muster.install.rights import RULES

Object = dict[str, Any]

CONDUCTOR_PORT = 7444
_STATE = "/var/lib/muster"
_CONFIG = "/etc/muster"
_USER = 1001


@dataclass(frozen=True, slots=True)
class Install:
    """One agent."""

    name: str
    namespace: str
    image: str
    invitation: str = ""
    """The one-time join string; empty: the secret is there already."""
    storage_class: str | None = None
    """Of the claim that keeps the agent's identity; None: the cluster's default."""
    storage: bool = True
    """Without, the identity lives as long as the agent's pod, and each new one must be invited anew."""
    pull_policy: str | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    """Rules of the guard; what is not said is strict."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """More of cluster.toml: ``profile``, ``tools``, ..."""
    cpu: str = "50m"
    memory: str = "128Mi"

    @property
    def title(self) -> str:
        """The name of everything."""
        return f"muster-agent-{self.name}"


def agent_manifests(install: Install) -> tuple[Object, ...]:
    """In the order in which they are applied."""
    secret = (_secret(install),) if install.invitation else ()
    claim = (_claim(install),) if install.storage else ()
    return (
        _namespace(install),
        _object(install, "v1", "ServiceAccount", automountServiceAccountToken=False),
        _object(install, "rbac.authorization.k8s.io/v1", "Role", rules=list(RULES)),
        _binding(install),
        *secret,
        _object(install, "v1", "ConfigMap", data={"cluster.toml": cluster_file(install)}),
        *claim,
        _deployment(install),
        *_network(install),
    )


def cluster_file(install: Install) -> str:
    """The agent's ``cluster.toml``."""
    lines = [f"namespace = {json.dumps(install.namespace)}", f"image = {json.dumps(install.image)}"]
    if install.pull_policy:
        lines.append(f"pull_policy = {json.dumps(install.pull_policy)}")
    lines += [f"{key} = {json.dumps(value)}" for key, value in install.settings.items()]
    lines += ["", "[policy]", *(f"{key} = {_toml(value)}" for key, value in install.policy.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def _labels(install: Install) -> dict[str, str]:
    return {"app.kubernetes.io/name": "muster-agent", "app.kubernetes.io/instance": install.name}


def _object(install: Install, version: str, kind: str, **more: Any) -> Object:
    metadata = {"name": install.title, "namespace": install.namespace, "labels": _labels(install)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def _namespace(install: Install) -> Object:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": install.namespace, "labels": labels}}


def _binding(install: Install) -> Object:
    return _object(
        install,
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": install.title},
        subjects=[{"kind": "ServiceAccount", "name": install.title, "namespace": install.namespace}],
    )


def _secret(install: Install) -> Object:
    return _object(install, "v1", "Secret", type="Opaque", stringData={"invitation": install.invitation})


def _claim(install: Install) -> Object:
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    if install.storage_class is not None:
        spec["storageClassName"] = install.storage_class
    return _object(install, "v1", "PersistentVolumeClaim", spec=spec)


def _deployment(install: Install) -> Object:
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},  # two agents of one name would fence each other
        "selector": {"matchLabels": _labels(install)},
        "template": {"metadata": {"labels": _labels(install)}, "spec": _pod(install)},
    }
    return _object(install, "apps/v1", "Deployment", spec=spec)


def _pod(install: Install) -> Object:
    state = {"persistentVolumeClaim": {"claimName": install.title}} if install.storage else {"emptyDir": {}}
    return {
        "serviceAccountName": install.title,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [_join(install)],
        "containers": [_agent(install)],
        "volumes": [
            {"name": "state", **state},
            {"name": "config", "configMap": {"name": install.title}},
            {"name": "invitation", "secret": {"secretName": install.title, "optional": True}},
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        ],
    }


def _join(install: Install) -> Object:
    """Joins once; what is joined already goes on."""
    joining = f"exec python3 -m agent join --state {_STATE} < /invitation/invitation"
    script = f"[ -e {_STATE}/identity.json ] || {joining}"
    return {
        **_ours(install, "join"),
        "command": ["/usr/local/bin/busybox", "sh", "-c", script],
        "volumeMounts": [
            {"name": "state", "mountPath": _STATE},
            {"name": "invitation", "mountPath": "/invitation", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
    }


def _agent(install: Install) -> Object:
    return {
        **_ours(install, "agent"),
        "command": ["python3", "-m", "agent", "run", "--state", _STATE],
        "env": [
            {"name": "MUSTER_AGENT_EXECUTOR", "value": "kubernetes"},
            {"name": "MUSTER_AGENT_CLUSTER", "value": f"{_CONFIG}/cluster.toml"},
        ],
        "volumeMounts": [
            {"name": "state", "mountPath": _STATE},
            {"name": "config", "mountPath": _CONFIG, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
    }


def _ours(install: Install, name: str) -> Object:
    policy = {"imagePullPolicy": install.pull_policy} if install.pull_policy else {}
    return {
        "name": name,
        "image": install.image,
        **policy,
        "resources": {"requests": {"cpu": install.cpu, "memory": install.memory}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _network(install: Install) -> tuple[Object, Object]:
    """Nobody reaches the agent. Executions are reached by their agent, and by their own siblings."""
    agent = {"podSelector": {"matchLabels": _labels(install)}}
    executions = {"matchLabels": {"muster.dev/agent": install.name}}
    closed = _object(
        install, "networking.k8s.io/v1", "NetworkPolicy", spec={**agent, "policyTypes": ["Ingress"], "ingress": []}
    )
    reached = _object(
        install,
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec={
            "podSelector": executions,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [agent], "ports": [{"port": CONDUCTOR_PORT, "protocol": "TCP"}]},
                {"from": [{"podSelector": executions}]},
            ],
        },
    )
    reached["metadata"] = {**reached["metadata"], "name": f"{install.title}-executions"}
    return closed, reached
