"""Many executions while anything is killed or stopped at random moments: nothing is lost, nothing is doubled.

The moments come from a seed; what a seed showed once it mostly shows again, since the programs' own timing takes part.
An execution that had not begun when its agent was killed may have gone on as its second attempt.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent
from tests.faults.conftest import SHORT, Watched
from tests.insisting import insisted
from workflow.states import Verdict
from workflow.views import NewRun, RunView

AGENTS = tuple(LocalAgent(f"{name}-runner", {"environment": name}) for name in ("dev", "staging", "prod"))
EXECUTIONS = 12
KILLS = 6
STOPS = 2
LINES = 300
DOCUMENT = f"""\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {{name: storm}}
spec:
  steps:
    - name: Count
      shell: |
        i=0
        while [ $i -lt {LINES} ]; do i=$((i+1)); echo $i; [ $((i % 20)) != 0 ] || sleep 0.2; done
    - name: Then
      shell: echo and then
"""
ALL = [*(str(number) for number in range(1, LINES + 1)), "and then"]


@asynccontextmanager
async def supervised(folder: Path) -> AsyncIterator[LocalSystem]:
    """A control plane and three agents, started again when they die."""
    system = await LocalSystem.start(LocalState(folder), AGENTS, environment={**SHORT, "MUSTER_LEASE": "2"})
    try:
        async with asyncio.TaskGroup() as tasks:
            supervising = tasks.create_task(system.supervise())
            yield system
            supervising.cancel()
    finally:
        await system.stop()


async def submitted(client: Muster, number: int) -> RunView:
    """A run, once the control plane takes it; by its key, so that asking again is safe."""
    return await insisted(lambda: client.submit(NewRun(document=DOCUMENT, key=f"run {number}")))


async def rage(system: LocalSystem, chance: random.Random) -> None:
    """Kill and stop what runs."""
    names = ["control-plane", "control-plane", *(agent.name for agent in AGENTS)]
    faults = chance.sample([signal.SIGKILL] * KILLS + [signal.SIGSTOP] * STOPS, KILLS + STOPS)
    for fault in faults:
        await asyncio.sleep(chance.uniform(0.05, 0.6))
        pid = system.program(chance.choice(names)).pid
        with suppress(ProcessLookupError):
            os.kill(pid, fault)
            if fault is signal.SIGSTOP:
                await asyncio.sleep(chance.uniform(0.2, 2.5))
                os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_storm_loses_and_doubles_nothing(seed: int, tmp_path: Path) -> None:
    async with (
        supervised(tmp_path / "state") as system,
        Muster(system.endpoint.url, system.endpoint.token) as client,
        asyncio.TaskGroup() as tasks,
    ):
        raging = tasks.create_task(rage(system, random.Random(seed)))
        runs = [Watched(await submitted(client, number)) for number in range(EXECUTIONS)]
        async with asyncio.timeout(60):
            await asyncio.gather(*(run.follow(client) for run in runs))
            await raging
        for run in runs:
            assert await run.verdict() is Verdict.PASSED
            assert run.text.splitlines() == ALL
