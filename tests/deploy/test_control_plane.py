"""The control plane's base: its settings are settings, and its pod is as tight as the strictest profile asks."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from control_plane.settings import PREFIX, Settings, load
from tests.deploy.rendering import kustomized

NAME = "muster-control-plane"


def test_its_settings_are_settings(tmp_path: Path) -> None:
    data = kustomized("control-plane")["ConfigMap", NAME]["data"]
    known = {PREFIX + field.name.upper() for field in fields(Settings)}
    assert set(data) <= known
    settings = load(tmp_path, data, {})
    assert (settings.host, settings.web_names) == (f"{NAME}.muster.svc", (f"{NAME}-web.muster.svc",))
    ports = {each["containerPort"] for each in container()["ports"]}
    assert ports == {settings.grpc_port, settings.enrol_port, settings.web_port}


def container() -> dict[str, Any]:
    """The one there is."""
    (found,) = kustomized("control-plane")["StatefulSet", NAME]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_nothing_of_the_cluster_is_open_to_it() -> None:
    rendered = kustomized("control-plane")
    assert not {kind for kind, _ in rendered} & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    assert rendered["ServiceAccount", NAME]["automountServiceAccountToken"] is False
    assert rendered["Service", f"{NAME}-web"]["spec"]["type"] == "ClusterIP"


def test_its_pod_meets_the_restricted_profile() -> None:
    rendered = kustomized("control-plane")
    assert rendered["Namespace", "muster"]["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    spec = rendered["StatefulSet", NAME]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["enableServiceLinks"] is False  # a service's variables would be taken for settings
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
