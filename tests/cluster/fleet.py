"""A whole fleet over real clusters: a control plane and an agent for each cluster, as processes of this machine.

Called by the tests of environments. Every part is the one that users run: gRPC with mutual TLS, agents that were
invited and have joined, pods in a namespace of the test's own, the command line as a process.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from agent.executors.kubernetes.calls import Calls, Object
from agent.executors.kubernetes.settings import Reach
from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent
from tests.cluster.conftest import STARTED, calls_to, clusters, made_namespace

ENVIRONMENTS = ("dev", "staging", "prod")
"""What the clusters of ``KUBECONFIG`` are, in its order."""
KINDS = ("pods", "secrets", "configmaps", "persistentvolumeclaims", "services")


@dataclass
class Site:
    """A cluster, and the agent that is responsible for it."""

    environment: str
    kubeconfig: str
    namespace: str
    calls: Calls
    reach: Reach = Reach.ADDRESS
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The path of its namespace."""
        return f"/api/v1/namespaces/{self.namespace}"

    @property
    def agent(self) -> str:
        """The name of its agent."""
        return f"{self.environment}-runner"

    def cluster_file(self) -> str:
        """The agent's cluster.toml."""
        settings = {
            "kubeconfig": self.kubeconfig,
            "namespace": self.namespace,
            "image": os.environ["MUSTER_TEST_IMAGE"],
            "pull-policy": "IfNotPresent",
            "reach": self.reach.value,
            "grace": 5,
        }
        tables = {"patience": {"pull": 5, "pending": STARTED}, "env": self.env}
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        for table, values in tables.items():
            lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        return "\n".join([*lines, ""])

    async def give(self, folder: Path) -> None:
        """Create what ``folder`` says: ``secrets/NAME/KEY``, ``configmaps/NAME/KEY``."""
        for kind, title, field_ in (("secrets", "Secret", "data"), ("configmaps", "ConfigMap", "binaryData")):
            for each in sorted((folder / kind).glob("*")):
                data = {key.name: base64.b64encode(key.read_bytes()).decode() for key in sorted(each.iterdir())}
                head = {"apiVersion": "v1", "kind": title, "metadata": {"name": each.name}}
                await self.calls.create(f"{self.base}/{kind}", {**head, field_: data})

    async def objects(self, kinds: Sequence[str] = KINDS, *, of_executions: bool = True) -> list[Object]:
        """What stands in its namespace; of executions alone, or all."""
        query = {"labelSelector": "muster.dev/agent"} if of_executions else None
        listed = [await self.calls.get(f"{self.base}/{kind}", query) or {} for kind in kinds]
        return [item for each in listed for item in each["items"]]

    async def emptied(self) -> None:
        """Wait until nothing of an execution is left."""
        async with asyncio.timeout(STARTED):
            while await self.objects():
                await asyncio.sleep(0.2)


@dataclass
class Fleet:
    """A control plane, and its sites by their environments."""

    system: LocalSystem
    sites: Mapping[str, Site]

    def client(self) -> Muster:
        """A client of the control plane, to be entered."""
        return Muster(self.system.endpoint.url, self.system.endpoint.token)

    async def muster(self, *words: str) -> Process:
        """The command line, its output and errors in pipes."""
        endpoint = self.system.endpoint
        env = {**os.environ, "MUSTER_URL": endpoint.url, "MUSTER_TOKEN": endpoint.token}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "muster", *words, env=env, stdout=PIPE, stderr=PIPE
        )

    async def says(self, *words: str, code: int = 0, seconds: float = 2 * STARTED) -> str:
        """What the command line prints, once it has ended as it should."""
        process = await self.muster(*words)
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
        assert process.returncode == code, f"{words} ended with {process.returncode}: {err.decode()}{out.decode()}"
        return out.decode()


@asynccontextmanager
async def fleet(
    state: Path,
    count: int = 1,
    prepared: Callable[[Site], Awaitable[None]] | None = None,
    terms: Mapping[str, str] | None = None,
) -> AsyncIterator[Fleet]:
    """A fleet of ``count`` environments; ``prepared`` is called with each of them before its agent starts. ``terms``
    are settings of the control plane.

    One alone may be in any cluster; three are in the clusters' order. Where there are fewer clusters than environments,
    these share them, each in a namespace of its own.

    An agent that stands outside of its cluster reaches its conductors through the API server, or by their addresses
    where those can be reached. Both ways are taken, in turn, where ``MUSTER_TEST_REACH`` does not choose.
    """
    paths = clusters() if count == 1 else os.environ["KUBECONFIG"].split(":")
    chosen = os.environ.get("MUSTER_TEST_REACH")
    ways = [Reach(chosen)] * 3 if chosen else [Reach.TUNNEL, Reach.ADDRESS, Reach.TUNNEL]
    async with AsyncExitStack() as stack:
        sites = {}
        for environment, path, reach in zip(ENVIRONMENTS[:count], cycle(paths), ways, strict=False):
            calls = await calls_to(path)
            stack.push_async_callback(calls.close)
            namespace = await stack.enter_async_context(made_namespace(path))
            site = sites[environment] = Site(environment, path, namespace, calls, reach)
            if prepared is not None:
                await prepared(site)
        yield await started(stack, state, sites, terms)


async def started(
    stack: AsyncExitStack, state: Path, sites: Mapping[str, Site], terms: Mapping[str, str] | None = None
) -> Fleet:
    """The programs of a fleet, for as long as ``stack`` lasts."""
    agents = []
    for site in sites.values():
        file = state / f"{site.environment}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(site.cluster_file())
        environment = {"MUSTER_AGENT_EXECUTOR": "kubernetes", "MUSTER_AGENT_CLUSTER": str(file)}
        agents.append(LocalAgent(site.agent, {"environment": site.environment}, environment=environment))
    system = await LocalSystem.start(LocalState(state / "muster"), tuple(agents), environment=terms or {})
    stack.push_async_callback(system.stop)
    return Fleet(system, sites)
