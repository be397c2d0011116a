"""The executor on a cluster in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from kubernetes.aio.client import ApiClient, Configuration

from agent.executors.kubernetes.calls import Calls
from agent.executors.kubernetes.executor import KubernetesExecutor
from agent.executors.kubernetes.policy import Policy
from agent.executors.kubernetes.settings import Patience, Settings
from tests.busybox import BUSYBOX, NO_BUSYBOX
from tests.fakes.kubernetes.api import Api
from tests.fakes.kubernetes.kubelet import Kubelet
from tests.fakes.kubernetes.objects import Objects

SETTINGS = Settings("dev-runner", "tests", "muster:1", patience=Patience(pull=30, pending=60, removal=30))
"""Nothing is given up that merely starts slowly: the machine may have much else to do."""
HASTY = replace(SETTINGS, patience=Patience(pull=1, pending=2, removal=5))
"""For pods that are to be given up."""


@dataclass
class FakeCluster:
    """A cluster, and the executors of its agents."""

    api: Api
    objects: Objects
    kubelet: Kubelet
    made: list[KubernetesExecutor] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def executor(self, settings: Settings = SETTINGS) -> KubernetesExecutor:
        """One more, as after a restart of the agent."""
        configuration = Configuration()
        configuration.host = self.api.url
        executor = KubernetesExecutor(Calls(ApiClient(configuration)), settings, Policy())
        self.made.append(executor)
        self.tasks.append(asyncio.get_running_loop().create_task(executor.run()))
        return executor


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[FakeCluster]:
    """A cluster with one node."""
    if not BUSYBOX:
        pytest.skip(NO_BUSYBOX)
    objects = Objects()
    kubelet = Kubelet(objects, tmp_path / "node")
    node = asyncio.get_running_loop().create_task(kubelet.run())
    async with Api(objects, kubelet.deleting).served() as api:
        made = FakeCluster(api, objects, kubelet)
        try:
            yield made
            last = made.executor()
            for found in await last.held():
                await last.remove(found.attempt)
        finally:
            for task in (*made.tasks, node):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            for executor in made.made:
                await executor.close()
