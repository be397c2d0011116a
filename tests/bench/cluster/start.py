"""From a submission to its first step's output as whoever watches the run at the control plane has it; in turns with an
equal pod made by hand, since the machine is not always the same.

What lies between is taken from the control plane's times and from a watch of this program's own, all by one clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.executors.kubernetes.calls import Object
from agent.executors.kubernetes.settings import Tools
from muster.client import Muster
from tests.bench.cluster.bare import Bare, Equal, equal_to, started, until, up
from tests.bench.cluster.place import HEAD, Cluster, Fleet, fleet, tools
from tests.bench.start import ended
from tests.bench.table import Row, alone, p50, spread
from workflow.views import LogPrinted, RunEnded

STEPS = "  steps: [{name: Say, shell: echo hello}]\n"
LONGER = "  steps: [{name: Say, shell: echo hello; sleep 5}]\n"
COUNT = 20
WARM = 2
GOAL = 0.150


@dataclass(frozen=True, slots=True)
class Ours:
    """Seconds."""

    output: float
    """From the submission until its first output was read."""
    created: float
    """From the submission until the cluster has the pod."""
    running: float
    """From there until the watch shows every container running."""
    told: float
    """From there until the conductor may begin and has begun the step."""
    printed: float
    """From there until its output is here."""


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    seen: dict[Tools, tuple[list[Ours], list[Bare]]] = {way: ([], []) for way in tools()}
    async with fleet(folder) as made:
        equal = {way: await _equal(made, way) for way in seen}
        for number in range(COUNT + WARM):
            for way, (ours, bare) in seen.items():
                one, other = await _once(made, way), await started(made.cluster, equal[way])
                if number >= WARM:
                    ours.append(one)
                    bare.append(other)
    return [row for way, (ours, bare) in seen.items() for row in _rows(way, ours, bare)]


def _rows(way: Tools, ours: list[Ours], bare: list[Bare]) -> list[Row]:
    more = p50([each.output for each in ours]) - p50([each.output for each in bare])
    return [
        Row(f"ours ({way.value}): submission until first output", spread([each.output for each in ours])),
        Row("  submitted, handed out, pod created", spread([each.created for each in ours])),
        Row("  its containers start", spread([each.running for each in ours])),
        Row("  dialled, leave to begin, step begun", spread([each.told for each in ours])),
        Row("  output on its way", spread([each.printed for each in ours])),
        Row("bare: created until its containers run", spread([each.running for each in bare])),
        Row("bare: created until its first output", spread([each.output for each in bare])),
        Row("ours more, p50", f"{more * 1e3:8.0f} ms", f"<= {GOAL * 1e3:.0f} ms", more <= GOAL),
    ]


async def _equal(made: Fleet, way: Tools) -> Equal:
    """The same as the pod of an execution, as the API server has it."""
    async with _events(made.cluster) as events:
        run = await made.submit(HEAD + LONGER, way)
        equal = await equal_to(made.cluster, await until(events, up))
    await ended(made.client, run.id)
    await made.cluster.emptied()
    return equal


async def _once(made: Fleet, way: Tools) -> Ours:
    async with _events(made.cluster) as events:
        times = asyncio.get_running_loop().create_task(_moments(events))
        begin = time.time()
        run = await made.submit(HEAD + STEPS, way)
        output = await _first_output(made.client, run.id)
        created, running = await times
    await ended(made.client, run.id)
    (execution,) = (await made.client.run(run.id)).executions
    (step,) = [each.started_at for each in execution.steps if isinstance(each.started_at, datetime)]
    await made.cluster.emptied()
    told = step.timestamp()
    return Ours(output - begin, created - begin, running - created, told - running, output - told)


def _events(cluster: Cluster) -> AbstractAsyncContextManager[AsyncIterator[Object]]:
    return cluster.calls.watch(cluster.pods, {}, 120)


async def _moments(events: AsyncIterator[Object]) -> tuple[float, float]:
    """When the pod was there, and when its containers ran."""
    await until(events, lambda _: True)
    created = time.time()
    await until(events, up)
    return created, time.time()


async def _first_output(client: Muster, run: str) -> float:
    async with aclosing(client.watch(run)) as events:
        async for event in events:
            if isinstance(event, LogPrinted):
                return time.time()
            assert not isinstance(event, RunEnded), event
    raise AssertionError("nothing was printed")


if __name__ == "__main__":
    alone("start of pods", measure)
