"""From a submission to the start of its first step, through the whole system, and where the time goes.

One control plane and one agent, both real, conductors as processes. Every moment is taken by this machine's clock:
the submission here, the assignment by the control plane, the first entry and the step's start by the conductor.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from datetime import datetime
from pathlib import Path

from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent
from tests.bench.table import Row, alone, p50, spread
from workflow.states import Verdict
from workflow.views import ExecutionView, NewRun, RunEnded

WORKFLOW = """\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: start}
spec:
  steps:
    - {name: Step, shell: "true"}
"""
COUNT = 100
WARM = 5
GOAL = 0.025


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    agent = LocalAgent("bench", {"environment": "bench"}, max_concurrent=200)
    system = await LocalSystem.start(LocalState(folder / "state"), (agent,))
    try:
        async with Muster(system.endpoint.url, system.endpoint.token) as client:
            await client.apply(WORKFLOW)
            return await _started(client)
    finally:
        await system.stop()


async def _started(client: Muster) -> list[Row]:
    parts: dict[str, list[float]] = {
        "submission until the step starts": [],
        "  taken, planned, durable, handed out": [],
        "  agent has it, conductor is up": [],
        "  leave to begin: durable, acknowledged, begun": [],
        "  submission until its answer (beside the above)": [],
        "  submission until the run's end (beside the above)": [],
    }
    for number in range(COUNT + WARM):
        begin = time.time()
        run = await client.submit(NewRun(workflow="start"))
        answered = time.time() - begin
        await ended(client, run.id)
        over = time.time() - begin
        (execution,) = (await client.run(run.id)).executions
        assigned, up, step = _moments(execution)
        taken = (step - begin, assigned - begin, up - assigned, step - up, answered, over)
        if number >= WARM:
            for values, value in zip(parts.values(), taken, strict=True):
                values.append(value)
    rows = [Row(name, spread(values)) for name, values in parts.items()]
    whole = parts["submission until the step starts"]
    first = Row(rows[0].name, rows[0].seen, f"p50 <= {GOAL * 1e3:.0f} ms", p50(whole) <= GOAL)
    return [first, *rows[1:]]


def _moments(execution: ExecutionView) -> tuple[float, float, float]:
    """Assigned; the conductor's first entry was taken; the step started. Seconds since 1970."""
    assert execution.assigned_at and execution.started_at
    steps = [step.started_at for step in execution.steps if step.started_at is not None]
    step: datetime = min(steps)
    return execution.assigned_at.timestamp(), execution.started_at.timestamp(), step.timestamp()


async def ended(client: Muster, run: str) -> None:
    """Wait for the end of a run, which passes."""
    async with aclosing(client.watch(run, logs=False)) as events:
        async for event in events:
            if isinstance(event, RunEnded):
                assert event.run.verdict is Verdict.PASSED, event.run
                return


if __name__ == "__main__":
    alone("start", measure)
