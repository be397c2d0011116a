"""A namespace, a control plane and its agent for one measurement; all of it is gone afterwards.

Used by every part. Control plane and agent are programs of their own, as in a fleet.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.executors.kubernetes.calls import Calls
from agent.executors.kubernetes.settings import Reach, Tools
from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent
from tests.cluster.conftest import calls_to

AGENT = "bench"
STEP_IMAGE = "busybox:1.36"
HEAD = """\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: bench}
spec:
  container: {image: "busybox:1.36"}
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A namespace of its own on the cluster."""

    calls: Calls
    namespace: str

    @property
    def pods(self) -> str:
        """The path of its pods."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    async def emptied(self) -> None:
        """Wait until it holds no pod."""
        async with asyncio.timeout(180):
            while ((await self.calls.get(self.pods)) or {}).get("items"):
                await asyncio.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Fleet:
    """A control plane with one agent that makes pods."""

    cluster: Cluster
    client: Muster
    system: LocalSystem

    @property
    def pid(self) -> int:
        """The agent's process."""
        return self.system.program(AGENT).pid


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """A fresh namespace under Pod Security ``restricted``."""
    calls, name = await calls_to(kubeconfig()), f"muster-bench-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    try:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        await calls.create("/api/v1/namespaces", body)
        async with asyncio.timeout(30):
            while await calls.get(f"/api/v1/namespaces/{name}/serviceaccounts/default") is None:
                await asyncio.sleep(0.1)  # the cluster makes it a moment later
        yield Cluster(calls, name)
    finally:
        await calls.delete(f"/api/v1/namespaces/{name}")
        await calls.close()


@asynccontextmanager
async def fleet(folder: Path) -> AsyncIterator[Fleet]:
    """A namespace, and programs that use it."""
    async with cluster() as made:
        (folder / "cluster.toml").write_text(_settings(made.namespace))
        environment = {"MUSTER_AGENT_EXECUTOR": "kubernetes", "MUSTER_AGENT_CLUSTER": str(folder / "cluster.toml")}
        agent = LocalAgent(AGENT, max_concurrent=200, environment=environment)
        system = await LocalSystem.start(LocalState(folder / "state"), (agent,))
        try:
            async with Muster(system.endpoint.url, system.endpoint.token) as client:
                yield Fleet(made, client, system)
        finally:
            await system.stop()


def kubeconfig() -> str:
    """The first cluster."""
    return os.environ["KUBECONFIG"].split(":")[0]


def reach() -> Reach:
    """How conductors are reached from here."""
    return Reach(os.environ.get("MUSTER_TEST_REACH", Reach.ADDRESS))


def tools() -> Tools:
    """How busybox comes into step containers."""
    return Tools(os.environ.get("MUSTER_TEST_TOOLS", Tools.IMAGE))


def _settings(namespace: str) -> str:
    said = {
        "kubeconfig": kubeconfig(),
        "namespace": namespace,
        "image": os.environ["MUSTER_TEST_IMAGE"],
        "pull-policy": "IfNotPresent",
        "reach": reach().value,
        "tools": tools().value,
    }
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items())
