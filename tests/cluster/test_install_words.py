"""An installation that cannot come to its end says why, in the cluster's own words."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from muster.install.invitation import Invitation, place
from tests.cluster.conftest import calls_to
from tests.cluster.installed import IMAGE, Said, said

pytestmark = pytest.mark.timeout(300)
NOWHERE = Invitation(
    place("192.0.2.1:1", 0), place("127.0.0.2:9", 0), {"pin": "sha256:" + "0" * 64, "token": "none-" + "x" * 30}
).join()


async def install(kubeconfig: str | Path, namespace: str, *more: str, seconds: int = 20, join: str = NOWHERE) -> Said:
    """With a join string that leads nowhere, and no control plane."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("MUSTER")}
    where = ("--kubeconfig", str(kubeconfig), "-n", namespace, "--timeout", str(seconds), "--join")
    addresses = ("--control-plane", "192.0.2.1:1", "--enrolment", "192.0.2.1:9")
    words = ("agents", "install", "lost-runner", *where, *addresses, *(() if "--image" in more else ("--image", IMAGE)))
    return await said(sys.executable, "-m", "muster", *words, *more, given=join + "\n", env=env, seconds=200)


async def test_an_image_that_cannot_be_pulled(kubeconfig: str, namespace: str) -> None:
    done = await install(kubeconfig, namespace, "--image", "registry.invalid/muster:none")
    assert done.code == 1
    assert "the cluster says: " in done.err and "registry.invalid/muster:none" in done.err
    assert "ImagePull" in done.err


async def test_an_image_that_is_no_name_is_told_at_once(kubeconfig: str, namespace: str) -> None:
    done = await install(kubeconfig, namespace, "--image", "No Name", seconds=150)
    assert (done.code, "the agent cannot start: InvalidImageName" in done.err) == (1, True), done.err


async def made(kubeconfig: str, namespace: str, kind: str, spec: dict[str, Any]) -> None:
    """Something that stands in the way."""
    calls = await calls_to(kubeconfig)
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "way"}, "spec": spec}
    await calls.create(f"/api/v1/namespaces/{namespace}/{kind.lower()}s", body)
    await calls.close()


async def test_a_quota(kubeconfig: str, namespace: str) -> None:
    await made(kubeconfig, namespace, "ResourceQuota", {"hard": {"pods": "0"}})
    done = await install(kubeconfig, namespace)
    assert done.code == 1
    assert "the cluster makes no pod: " in done.err and "exceeded quota: way" in done.err


async def test_admission(kubeconfig: str, namespace: str) -> None:
    await made(kubeconfig, namespace, "LimitRange", {"limits": [{"type": "Container", "max": {"memory": "64Mi"}}]})
    done = await install(kubeconfig, namespace)
    assert done.code == 1
    assert "the cluster makes no pod: " in done.err and "maximum memory usage per Container is 64Mi" in done.err


async def test_an_agent_that_finds_no_control_plane_says_so_itself(kubeconfig: str, namespace: str) -> None:
    done = await install(kubeconfig, namespace, "--control-plane", "127.0.0.2", "--enrolment", "127.0.0.2")
    assert (done.code, "in a pod that is the pod itself" in done.err) == (2, True), done.err
    calls = await calls_to(kubeconfig)
    host = (await calls.get("/api/v1/nodes") or {})["items"][0]["status"]["addresses"][0]["address"]
    await calls.close()
    done = await install(kubeconfig, namespace, "--control-plane", f"{host}:9", "--enrolment", f"{host}:9", seconds=40)
    assert done.code == 1
    assert f"the agent ended: https://{host}:9 cannot be reached" in done.err, done.err


async def test_a_person_who_may_not_hears_every_right_that_lacks(
    kubeconfig: str, namespace: str, tmp_path: Path
) -> None:
    calls = await calls_to(kubeconfig)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
    token = (await calls.create(path, request))["status"]["token"]
    config = yaml.safe_load(Path(kubeconfig).read_text())
    config["users"][0]["user"] = {"token": token}
    (tmp_path / "config").write_text(json.dumps(config))
    done = await install(tmp_path / "config", namespace)
    assert done.code == 2
    for right in ("get namespaces", f"patch deployments.apps in namespace {namespace}", "create secrets"):
        assert right in done.err
    assert not await calls.get(f"/api/v1/namespaces/{namespace}/configmaps/muster-agent-lost-runner")
    await calls.close()
