"""A control plane and an agent as programs; the agent sees its cluster through the proxy and is killed at exact points:
before a request reaches the API server, or after it was done and before the agent hears of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from kubernetes.aio.client import ApiClient, Configuration

from agent.executors.kubernetes.calls import Calls
from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.program import ProgramFailed
from muster.local.system import LocalAgent
from tests.contracts.cutting.bench import WAIT, ours
from tests.fakes.kubernetes.proxy import Asked, Dropped, Fault, Proxy
from tests.faults.conftest import Watched
from workflow.states import Verdict
from workflow.views import NewRun

LINES = 120
ALL = [*(str(number) for number in range(1, LINES + 1)), "end"]
SHORT = {"MUSTER_HEARTBEAT": "0.5", "MUSTER_LEASE": "3", "MUSTER_ANSWER": "10", "MUSTER_STOP_GRACE": "3"}
DOCUMENT = f"""\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {{name: numbered}}
spec:
  PVCS
  container: {{image: "busybox:1.36"}}
  steps:
    - name: Count
      shell: i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo $i; sleep 0.03; done
    - name: Then
      shell: echo end
"""


class Moment(StrEnum):
    """When, of a request."""

    BEFORE = "before"
    AFTER = "after"


@dataclass
class Trap:
    """Kills the agent at one point, once."""

    point: str
    moment: Moment
    sprung: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Ground:
    """The system under fire."""

    system: LocalSystem
    agent: LocalAgent
    client: Muster
    proxy: Proxy
    past: Calls
    """The API server without the proxy."""
    namespace: str
    pvcs: str = ""

    def arm(self, point: str, moment: Moment) -> Trap:
        """From now on the agent dies there."""
        trap = Trap(point, moment)

        async def hook(asked: Asked) -> Fault | None:
            if asked.point != trap.point or trap.sprung.is_set():
                return None
            self.kill()
            trap.sprung.set()
            return Dropped()

        if moment is Moment.BEFORE:
            self.proxy.before = hook
        else:
            self.proxy.after = hook
        return trap

    async def died(self, trap: Trap, watched: Watched) -> None:
        """Wait until the agent did."""
        try:
            async with asyncio.timeout(WAIT):
                await trap.sprung.wait()
        except TimeoutError:
            raise AssertionError(f"never came to {trap.point}: {await self.client.why(watched.run.id)}") from None

    def kill(self) -> None:
        """kill -9."""
        with suppress(ProcessLookupError):
            os.kill(self.system.program(self.agent.name).pid, signal.SIGKILL)

    async def again(self) -> None:
        """Start the agent that was killed; one that dies while it starts is no failure."""
        await self.system.program(self.agent.name).ended()
        with suppress(ProgramFailed):
            await self.system.start_agent(self.agent)

    @asynccontextmanager
    async def numbered(self) -> AsyncIterator[Watched]:
        """Start a run, and follow it while the context is open."""
        watched = Watched(await self.client.submit(NewRun(document=DOCUMENT.replace("PVCS", self.pvcs))))
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(watched.follow(self.client))
            yield watched
            following.cancel()

    async def passed(self, watched: Watched) -> None:
        """It passes, every line is heard once and stored once, and then nothing is left."""
        async with asyncio.timeout(2 * WAIT):
            while watched.ended is None:
                with suppress(TimeoutError):
                    await watched.verdict()
        (execution,) = (await self.client.run(watched.run.id)).executions
        assert watched.ended.verdict is Verdict.PASSED, execution.reason
        assert watched.text.splitlines() == ALL
        pieces = [log.text async for log in self.client.logs(watched.run.id) if log.stream != "system"]
        assert "".join(pieces).splitlines() == ALL
        async with asyncio.timeout(WAIT):
            while await self.left():
                await asyncio.sleep(0.1)

    async def left(self) -> list[str]:
        """Every object of this agent's."""
        return await ours(self.past, f"/api/v1/namespaces/{self.namespace}")


@asynccontextmanager
async def killing_ground(
    folder: Path, server: Configuration, namespace: str, cluster: Mapping[str, object], pvcs: str = ""
) -> AsyncIterator[Ground]:
    """A system whose one agent makes pods in ``namespace``; ``cluster``: more of its cluster.toml."""
    past = Calls(ApiClient(server))
    async with Proxy(server).served() as proxy:
        said = {"kubeconfig": str(proxy.kubeconfig(folder / "kubeconfig")), "namespace": namespace, **cluster}
        file = folder / "cluster.toml"
        file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items()))
        environment = {"MUSTER_AGENT_EXECUTOR": "kubernetes", "MUSTER_AGENT_CLUSTER": str(file)}
        agent = LocalAgent("cut-runner", {"environment": "test"}, environment=environment)
        system = await LocalSystem.start(LocalState(folder / "state"), (agent,), environment=SHORT)
        try:
            async with Muster(system.endpoint.url, system.endpoint.token) as client:
                yield Ground(system, agent, client, proxy, past, namespace, pvcs)
        finally:
            await system.stop()
            await past.close()
