"""Executions in pods of three clusters while control plane, agents and pods are killed at random moments.

What a seed showed once it mostly shows again, since the clusters' own timing takes part. An execution whose pod was
deleted never passes, one that was canceled is, every other one passes; no line is lost or doubled, live and stored;
nothing is left in the clusters.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from muster.client import Muster
from tests.cluster.conftest import BUSYBOX, STARTED
from tests.cluster.fleet import ENVIRONMENTS, Fleet, Site, fleet
from tests.insisting import insisted
from workflow.states import ExecutionState
from workflow.views import LogPrinted, NewRun, RunEnded, RunView

RUNS = 4
KILLS = 8
STOPS = 3
DELETIONS = 2
LINES = 600
DOCUMENT = f"""\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {{name: storm}}
spec:
  container: {{image: {BUSYBOX}}}
  execution: {{target: {{replicate: [environment]}}}}
  steps:
    - name: Count
      shell: |
        i=0
        while [ $i -lt {LINES} ]; do i=$((i+1)); echo $i; [ $((i % 20)) != 0 ] || sleep 0.3; done | tee /data/numbers
    - name: Keep
      condition: always
      artifacts: {{workingDir: /data, paths: [numbers]}}
    - name: Fan
      parallel:
        count: 2
        shell: echo worker {{{{ index }}}}
    - name: Then
      shell: echo and then
"""
NUMBERS = [str(number) for number in range(1, LINES + 1)]
ALL = [*NUMBERS, "and then"]
SHORT = {"MUSTER_HEARTBEAT": "1", "MUSTER_LEASE": "4"}
GOES_ON = 2 * STARTED
"""Seconds within which all is over."""

pytestmark = pytest.mark.skipif(
    os.environ.get("KUBECONFIG", "").count(":") < 2, reason="KUBECONFIG does not name three clusters"
)


@dataclass
class Heard:
    """A run, as a client hears it live."""

    run: RunView
    printed: dict[str, str] = field(default_factory=lambda: defaultdict(str))
    """Of each execution."""

    async def follow(self, client: Muster) -> None:
        """Hear until the end."""
        async with aclosing(client.watch(self.run.id)) as events:
            async for event in events:
                match event:
                    case LogPrinted(log=log) if log.stream == "stdout":
                        self.printed[log.execution] += log.text
                    case RunEnded(run=run):
                        self.run = run
                    case _:
                        pass


async def submitted(client: Muster, number: int) -> Heard:
    """A run, once the control plane takes it; by its key, so that asking again is safe."""
    return Heard(await insisted(lambda: client.submit(NewRun(document=DOCUMENT, key=f"run {number}"))))


async def cancel_later(client: Muster, heard: Heard, chance: random.Random) -> None:
    """Cancel a run at some moment, once the control plane takes it."""
    await asyncio.sleep(chance.uniform(0.1, 20))
    await insisted(lambda: client.cancel(heard.run.id))


async def rage(made: Fleet, chance: random.Random) -> set[str]:
    """Kill and stop what runs, and delete pods; the names of those whose deletion the cluster took."""
    deleted: set[str] = set()
    names = ["control-plane", "control-plane", *(site.agent for site in made.sites.values())]
    faults: list[signal.Signals | None] = [signal.SIGKILL] * KILLS + [signal.SIGSTOP] * STOPS + [None] * DELETIONS
    for fault in chance.sample(faults, len(faults)):
        await asyncio.sleep(chance.uniform(0.1, 2))
        if fault is None:
            deleted |= await delete_one(made.sites[chance.choice(ENVIRONMENTS)], chance)
            continue
        pid = made.system.program(chance.choice(names)).pid
        with suppress(ProcessLookupError):
            os.kill(pid, fault)
            if fault is signal.SIGSTOP:
                await asyncio.sleep(chance.uniform(0.5, 6))
                os.kill(pid, signal.SIGCONT)
    return deleted


async def delete_one(site: Site, chance: random.Random) -> set[str]:
    """Delete a pod of an execution, where there is one that is not about to go."""
    pods = [pod["metadata"] for pod in await site.objects(("pods",))]
    names = sorted(each["name"] for each in pods if "deletionTimestamp" not in each)
    if not names:
        return set()
    name = chance.choice(names)
    await site.calls.delete(f"{site.base}/pods/{name}")
    return {name}


@asynccontextmanager
async def supervised(state: Path) -> AsyncIterator[Fleet]:
    """A control plane and three agents, started again when they die."""
    async with fleet(state, 3, terms=SHORT) as made, asyncio.TaskGroup() as tasks:
        supervising = tasks.create_task(made.system.supervise())
        yield made
        supervising.cancel()


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_storm_over_three_clusters_loses_and_doubles_nothing(seed: int, tmp_path: Path) -> None:
    async with supervised(tmp_path) as made, made.client() as client:
        async with asyncio.timeout(GOES_ON), asyncio.TaskGroup() as tasks:
            raging = tasks.create_task(rage(made, random.Random(seed)))
            runs = [await submitted(client, number) for number in range(RUNS)]
            for run in runs:
                tasks.create_task(run.follow(client))
            tasks.create_task(cancel_later(client, runs[-1], random.Random(seed)))
        deleted = raging.result()
        for run in runs:
            await check(client, run, deleted, canceled=run is runs[-1])
        for site in made.sites.values():
            await site.emptied()


async def check(client: Muster, heard: Heard, deleted: set[str], *, canceled: bool) -> None:
    """What came of a run."""
    executions = (await client.run(heard.run.id)).executions
    roots = [each for each in executions if each.place is None]
    assert len(roots) == len(ENVIRONMENTS)
    for root in roots:
        workers = [each for each in executions if each.place is not None and each.place.parent == root.id]
        hit = any(each.id in name for each in (root, *workers) for name in deleted)
        lines = await printed(client, heard, root.id)
        if root.state is ExecutionState.PASSED:
            assert lines == ALL
            kept = b"".join([part async for part in client.artifact(root.id, "numbers")])
            assert kept.decode().splitlines() == NUMBERS
            assert [await printed(client, heard, each.id) for each in workers] == [["worker 0"], ["worker 1"]]
        else:
            bad = {ExecutionState.ABORTED, ExecutionState.FAILED} if hit else set()
            fitting = bad | ({ExecutionState.CANCELED} if canceled else set())
            assert root.state in fitting and root.reason, (root, workers)
            assert lines == ALL[: len(lines)]


async def printed(client: Muster, heard: Heard, execution: str) -> list[str]:
    """What an execution printed: the same live and stored."""
    stored = "".join([log.text async for log in client.logs(execution) if log.stream == "stdout"])
    assert heard.printed[execution] == stored
    return stored.splitlines()
