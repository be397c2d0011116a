"""A control plane that is killed while a thousand agents are connected: until the next dispatch, and until all of
them are back. And how soon a person's word is obeyed: a revocation, a cancellation.

Simulated agents, as patient as real ones, over real mutual TLS; the cancellation with a real agent and conductors.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from pathlib import Path

from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent
from tests.bench.agents import SimulatedAgent, at_work, lifecycle
from tests.bench.plane import Plane, running
from tests.bench.table import Row, alone, spread
from workflow.session import Refused
from workflow.states import Verdict
from workflow.views import NewRun, RunEnded, StepChanged

HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata: {name: recovery}\n"
SHORT = f"{HEAD}spec: {{steps: [{{shell: echo done}}]}}\n"
LONG = f"{HEAD}spec: {{steps: [{{shell: sleep 1000}}]}}\n"
AGENTS = 1000
FIRST, ALL = 5.0, 15.0
REVOKED = 50
CANCELED = 20


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    async with running(folder / "fleet", AGENTS) as plane:
        rows = await _killed(plane)
    async with running(folder / "few", REVOKED) as plane:
        rows.append(await _revoked(plane))
    return [*rows, await _canceled(folder / "local")]


async def _killed(plane: Plane) -> list[Row]:
    agents = [SimulatedAgent(plane.link(number), lifecycle) for number in range(AGENTS)]
    async with plane.client() as client:
        await client.apply(SHORT)
        async with at_work(agents, staying=True):
            for agent in agents:
                agent.connected.clear()
            begin = time.perf_counter()
            again = await plane.killed()
            try:
                ready = time.perf_counter() - begin
                await client.submit(NewRun(workflow="recovery"))
                dispatched = asyncio.create_task(_first_assigned(agents))  # noqa: TID251 - ended below
                for agent in agents:
                    await agent.connected.wait()
                back = time.perf_counter() - begin
                first = await dispatched - begin
            finally:
                await again.program.stop()
    return [
        Row("killed until it is ready again", f"{ready:8.2f} s"),
        Row(
            f"killed until the first dispatch, {AGENTS} agents", f"{first:8.2f} s", f"<= {FIRST:.0f} s", first <= FIRST
        ),
        Row("killed until all of them are back", f"{back:8.2f} s", f"<= {ALL:.0f} s", back <= ALL),
    ]


async def _first_assigned(agents: list[SimulatedAgent]) -> float:
    """When the first assignment came to any of them."""
    while not (came := [agent.assigned[0] for agent in agents if agent.assigned]):
        await asyncio.sleep(0.01)  # it costs less than a signal in each of a thousand agents
    return min(came)


async def _revoked(plane: Plane) -> Row:
    """From the person's call until the agent's stream was cut."""
    agents = [SimulatedAgent(plane.link(number), lifecycle) for number in range(REVOKED)]
    taken = []

    async def until_refused(agent: SimulatedAgent) -> float:
        with suppress(Refused):
            await agent.run()
        return time.perf_counter()

    async with plane.client() as client, asyncio.TaskGroup() as tasks:
        ends = [tasks.create_task(until_refused(agent)) for agent in agents]
        for agent in agents:
            await agent.connected.wait()
        for number, end in enumerate(ends):
            begin = time.perf_counter()
            await client.revoke(f"bench-{number}")
            taken.append(await end - begin)
    for agent in agents:
        await agent.link.close()
    return Row("revoked until its stream is cut", spread(taken), "p99 <= 5 s", max(taken) <= 5)


async def _canceled(folder: Path) -> Row:
    """From the person's call until the run has ended, its step killed."""
    system = await LocalSystem.start(LocalState(folder), (LocalAgent("bench", {"environment": "bench"}),))
    try:
        async with Muster(system.endpoint.url, system.endpoint.token) as client:
            taken = [await _one_canceled(client) for _ in range(CANCELED)]
    finally:
        await system.stop()
    return Row("canceled until its step is killed and it is over", spread(taken))


async def _one_canceled(client: Muster) -> float:
    run, begin = await client.submit(NewRun(document=LONG)), 0.0
    async with aclosing(client.watch(run.id)) as events:
        async for event in events:
            if isinstance(event, StepChanged) and event.step.status == "running" and not begin:
                begin = time.perf_counter()
                await client.cancel(run.id)
            if isinstance(event, RunEnded):
                assert event.run.verdict is Verdict.CANCELED, event.run
                break
    return time.perf_counter() - begin


if __name__ == "__main__":
    alone("recovery", measure)
