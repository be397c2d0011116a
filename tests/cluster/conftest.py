"""An agent whose executor is the real one, on a real cluster, in a namespace of the test's own."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import pytest
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import load_kube_config

from agent.executors.kubernetes.calls import Calls
from agent.executors.kubernetes.executor import KubernetesExecutor
from agent.executors.kubernetes.naming import pod_name
from agent.executors.kubernetes.policy import Policy
from agent.executors.kubernetes.settings import Patience, Reach, Settings, Tools
from agent.relay import Relay, RelayOptions
from tests.agent.plans import assign
from tests.fakes.control import Held, MemoryControl
from workflow.identifiers import Attempt
from workflow.plan.nodes import Plan
from workflow.session import Assign, LinkDown

BUSYBOX = "busybox:1.36"
PYTHON = "python:3.11-slim"
STARTED = 120.0
"""Seconds that a pod may take to start on a machine that has much else to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a cluster nothing here can be shown."""
    lacks = [name for name in ("KUBECONFIG", "MUSTER_TEST_IMAGE") if not os.environ.get(name)]
    for item in items:
        if "tests/cluster" in str(item.path):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(5 * STARTED))
            if lacks:
                item.add_marker(pytest.mark.skip(reason=f"no real Kubernetes: {', '.join(lacks)} not set"))


@dataclass
class ClusterBench:
    """An agent at work in a cluster."""

    control: MemoryControl
    calls: Calls
    executor: KubernetesExecutor
    relay: Relay
    settings: Settings
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The path of the test's namespace."""
        return f"/api/v1/namespaces/{self.settings.namespace}"

    async def start(self) -> None:
        """Run executor and relay, and wait for the session."""
        loop = asyncio.get_running_loop()
        self.tasks = [loop.create_task(self.executor.run()), loop.create_task(self.relay.run())]
        await self.control.until(lambda: bool(self.control.hellos))

    async def submit(self, work: Plan | Assign) -> tuple[Attempt, Held]:
        """Assign it."""
        assigned = work if isinstance(work, Assign) else assign(work, _fresh())
        held = self.control.expect(assigned.bundle.attempt)
        self.control.say(assigned)
        return assigned.bundle.attempt, held

    async def run(self, work: Plan | Assign, seconds: float = 2 * STARTED) -> Held:
        """Assign it, and wait for its end."""
        _, held = await self.submit(work)
        await self.control.until(lambda: held.finished is not None, seconds)
        return held

    async def pod(self, attempt: Attempt) -> dict[str, object] | None:
        """As the API server shows it."""
        return await self.calls.get(f"{self.base}/pods/{pod_name(attempt)}")

    async def stop(self) -> None:
        """End the agent; pods go on."""
        for task in self.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, LinkDown):
                await task
        await self.executor.close()


def _fresh() -> Attempt:
    from tests.agent.plans import attempt

    return attempt(name=f"t{secrets.token_hex(5)}")


async def calls_to(path: str) -> Calls:
    """The API server of a kubeconfig's current context."""
    configuration = Configuration()
    await load_kube_config(config_file=path, client_configuration=configuration)  # type: ignore[no-untyped-call]
    return Calls(ApiClient(configuration))


def settings_for(namespace: str) -> Settings:
    """What the tests' agents do."""
    reach = Reach(os.environ.get("MUSTER_TEST_REACH", Reach.ADDRESS))
    tools = Tools(os.environ.get("MUSTER_TEST_TOOLS", Tools.HOOK).split(",")[0])
    patience = Patience(pull=5, pending=STARTED)
    made = Settings(f"test-{namespace}", namespace, os.environ["MUSTER_TEST_IMAGE"], pull_policy="IfNotPresent")
    return replace(made, reach=reach, tools=tools, patience=patience, grace=5)


@asynccontextmanager
async def bench_on(
    path: str, namespace: str, control: MemoryControl | None = None, policy: Policy | None = None, **more: object
) -> AsyncIterator[ClusterBench]:
    """An agent on one cluster."""
    settings = replace(settings_for(namespace), **more)  # type: ignore[arg-type]
    calls, control = await calls_to(path), control or MemoryControl()
    executor = KubernetesExecutor(calls, settings, policy or Policy())
    bench = ClusterBench(control, calls, executor, Relay(control, executor, RelayOptions(50, "test")), settings)
    try:
        await bench.start()
        yield bench
    finally:
        await bench.stop()


def clusters() -> list[str]:
    """The clusters in their order, which begins elsewhere for each worker of a parallel run: so all have work."""
    paths = os.environ["KUBECONFIG"].split(":")
    first = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % len(paths)
    return paths[first:] + paths[:first]


@pytest.fixture
def kubeconfig() -> str:
    """A cluster."""
    return clusters()[0]


@pytest.fixture
async def namespace(kubeconfig: str) -> AsyncIterator[str]:
    """A fresh namespace of that cluster."""
    async with made_namespace(kubeconfig) as made:
        yield made


@asynccontextmanager
async def made_namespace(kubeconfig: str) -> AsyncIterator[str]:
    """A fresh namespace under Pod Security ``restricted``, removed with all that is in it."""
    calls, name = await calls_to(kubeconfig), f"muster-test-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    try:
        await calls.create("/api/v1/namespaces", body)
        async with asyncio.timeout(STARTED):
            while await calls.get(f"/api/v1/namespaces/{name}/serviceaccounts/default") is None:
                await asyncio.sleep(0.1)  # the cluster makes it a moment later
        yield name
    finally:
        await calls.delete(f"/api/v1/namespaces/{name}")
        await calls.close()


@pytest.fixture
async def bench(kubeconfig: str, namespace: str) -> AsyncIterator[ClusterBench]:
    """An agent on that cluster."""
    async with bench_on(kubeconfig, namespace) as made:
        yield made
