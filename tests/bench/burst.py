"""A hundred executions submitted at once to one agent: until all of their steps have started."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent
from tests.bench.start import ended
from tests.bench.table import Row, alone
from workflow.views import NewRun

WORKFLOW = """\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: burst}
spec:
  steps:
    - {name: Step, shell: sleep 3}
"""
COUNT = 100
GOAL = 3.0


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    agent = LocalAgent("bench", {"environment": "bench"}, max_concurrent=COUNT)
    system = await LocalSystem.start(LocalState(folder / "state"), (agent,))
    try:
        async with Muster(system.endpoint.url, system.endpoint.token) as client:
            await client.apply(WORKFLOW)
            run = await client.submit(NewRun(workflow="burst"))  # so that nothing is done for the first time
            await ended(client, run.id)
            return await _burst(client)
    finally:
        await system.stop()


async def _burst(client: Muster) -> list[Row]:
    begin = time.time()
    runs = await asyncio.gather(*(client.submit(NewRun(workflow="burst")) for _ in range(COUNT)))
    submitted = time.time() - begin
    await asyncio.gather(*(ended(client, run.id) for run in runs))
    over = time.time() - begin
    starts = []
    for run in runs:
        (execution,) = (await client.run(run.id)).executions
        starts.append(min(step.started_at.timestamp() for step in execution.steps if step.started_at) - begin)
    last = max(starts)
    return [
        Row(f"{COUNT} executions submitted at once: all started", f"{last:8.2f} s", f"<= {GOAL:.0f} s", last <= GOAL),
        Row("  all submitted", f"{submitted:8.2f} s"),
        Row("  half of them started", f"{sorted(starts)[COUNT // 2]:8.2f} s"),
        Row("  all over (each sleeps for 3 s)", f"{over:8.2f} s"),
    ]


if __name__ == "__main__":
    alone("burst", measure)
