"""A namespace, a control plane and its agent for one measurement; all of it is gone afterwards.

Used by every part. Control plane and agent are programs of their own, as in a fleet.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from agent.executors.kubernetes.calls import Calls
from agent.executors.kubernetes.settings import Reach, Tools
from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent
from tests.cluster.conftest import calls_to, made_namespace
from workflow.views import NewRun, RunView

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
    """A control plane, and an agent that makes pods for each way in which tools come into them."""

    cluster: Cluster
    client: Muster
    system: LocalSystem

    async def submit(self, document: str, by: Tools | None = None) -> RunView:
        """A run on the agent of that way; the first one's."""
        target: dict[str, JsonValue] = {"match": {"tools": [(by or tools()[0]).value]}}
        return await self.client.submit(NewRun(document=document, target=target))

    def pid(self, of: Tools) -> int:
        """The process of an agent."""
        return self.system.program(of.value).pid


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """A fresh namespace under Pod Security ``restricted``."""
    async with made_namespace(kubeconfig()) as name:
        calls = await calls_to(kubeconfig())
        try:
            yield Cluster(calls, name)
        finally:
            await calls.close()


@asynccontextmanager
async def fleet(folder: Path) -> AsyncIterator[Fleet]:
    """A namespace, and programs that use it."""
    async with cluster() as made:
        agents = tuple(_agent(folder, made.namespace, each) for each in tools())
        system = await LocalSystem.start(LocalState(folder / "state"), agents)
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


def tools() -> tuple[Tools, ...]:
    """The ways in which busybox comes into step containers that are measured."""
    return tuple(Tools(each) for each in os.environ.get("MUSTER_TEST_TOOLS", Tools.HOOK).split(","))


def _agent(folder: Path, namespace: str, way: Tools) -> LocalAgent:
    file = folder / f"{way.value}.toml"
    file.write_text(_settings(namespace, way))
    environment = {"MUSTER_AGENT_EXECUTOR": "kubernetes", "MUSTER_AGENT_CLUSTER": str(file)}
    return LocalAgent(way.value, {"tools": way.value}, max_concurrent=200, environment=environment)


def _settings(namespace: str, way: Tools) -> str:
    said = {
        "kubeconfig": kubeconfig(),
        "namespace": namespace,
        "image": os.environ["MUSTER_TEST_IMAGE"],
        "pull-policy": "IfNotPresent",
        "reach": reach().value,
        "tools": way.value,
    }
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items())
