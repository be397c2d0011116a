"""Durable lifecycles a second through the control plane, and how fast a submission reaches an agent.

Simulated agents over real mutual TLS. A lifecycle is offer, acceptance, start, a step with output, the end: each part
durable before the next. Submissions are taken before, and counted by themselves.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from muster.client import Muster
from tests.bench.agents import SimulatedAgent, at_work, lifecycle
from tests.bench.plane import Plane, running
from tests.bench.table import Row, alone, p50, spread
from workflow.states import ExecutionState, Verdict
from workflow.views import NewRun, RunEnded

WORKFLOW = """\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: bench}
spec:
  steps:
    - {name: Step, shell: echo done}
"""
RUNS = 1000
AGENTS = 20
SUBMITTERS = 8
SINGLE = 100


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    async with running(folder, AGENTS) as plane, plane.client() as client:
        await client.apply(WORKFLOW)
        return [*await _throughput(plane, client), *await _dispatch(plane, client)]


async def _throughput(plane: Plane, client: Muster) -> list[Row]:
    left = iter(range(RUNS))

    async def submit() -> None:
        for _ in left:
            await client.submit(NewRun(workflow="bench"))

    begin = time.perf_counter()
    await asyncio.gather(*(submit() for _ in range(SUBMITTERS)))
    submitted = RUNS / (time.perf_counter() - begin)
    done, all_done = 0, asyncio.Event()

    async def conduct(link, attempt) -> None:  # type: ignore[no-untyped-def]
        nonlocal done
        await lifecycle(link, attempt)
        done += 1
        if done == RUNS:
            all_done.set()

    agents = [SimulatedAgent(plane.link(number), conduct, slots=5) for number in range(AGENTS)]
    begin, busy = time.perf_counter(), plane.busy()
    async with at_work(agents):
        await all_done.wait()
        took, used = time.perf_counter() - begin, plane.busy() - busy
    rate = RUNS / took
    await _all_passed(client)
    return [
        Row(f"submissions over HTTP, {SUBMITTERS} at once", f"{submitted:8.0f} /s"),
        Row(
            f"durable lifecycles, {AGENTS} agents",
            f"{rate:8.0f} /s   ({used / took:4.2f} cores of the control plane)",
            ">= 300 /s",
            rate >= 300,
        ),
    ]


async def _all_passed(client: Muster) -> None:
    runs = await client.runs(limit=RUNS)
    assert len(runs) == RUNS, len(runs)
    assert all(run.verdict is Verdict.PASSED for run in runs), {run.verdict for run in runs}
    still = await client.executions(state=ExecutionState.RUNNING)
    assert not still, still


async def _dispatch(plane: Plane, client: Muster) -> list[Row]:
    """One submission after the other; every agent idle."""
    submits, arrivals = [], []
    agents = [SimulatedAgent(plane.link(number), lifecycle, slots=5) for number in range(AGENTS)]
    async with at_work(agents):
        for _ in range(SINGLE):
            begin = time.perf_counter()
            run = await client.submit(NewRun(workflow="bench"))
            submits.append(time.perf_counter() - begin)
            async for event in client.watch(run.id):
                if isinstance(event, RunEnded):
                    break
            arrivals.append(max(at for agent in agents for at in agent.assigned[-1:]) - begin)
    dispatch = [arrival - submit for arrival, submit in zip(arrivals, submits, strict=True)]
    return [
        Row("submission over HTTP, durable", spread(submits)),
        Row("submission until an agent has it", spread(arrivals)),
        Row(
            "dispatch: the latter less the former",
            spread(dispatch),
            "p50 <= 5 ms",
            p50(dispatch) <= 0.005,
        ),
    ]


if __name__ == "__main__":
    alone("lifecycles", measure)
