"""Journals of twenty attempts at once, in chunks of lines, from agents over mutual TLS to durable storage.

A byte counts when the agent holds its acknowledgement.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from agent.link.control import Link
from agent.ports.control import JournalStream
from muster.client import Muster
from tests.bench.agents import STEP, SimulatedAgent, acknowledged, at_work, now
from tests.bench.lifecycles import WORKFLOW
from tests.bench.plane import Plane, running
from tests.bench.storage import CHUNK, LINE
from tests.bench.table import Row, alone
from workflow.identifiers import Attempt
from workflow.journal import AttemptFinished, AttemptStarted, Output, Record, StepStarted, Stream
from workflow.session import MAX_AHEAD
from workflow.states import ExecutionState
from workflow.views import NewRun

STREAMS = 20
CHUNKS = 100
"""Of each stream: 512 MB in all."""
LINES = (b"y" * (LINE - 1) + b"\n") * (CHUNK // LINE)
GOAL_BYTES = 60e6
GOAL_LINES = 400e3


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    async with running(folder, STREAMS) as plane, plane.client() as client:
        await client.apply(WORKFLOW)
        return await _ingested(plane, client)


async def _ingested(plane: Plane, client: Muster) -> list[Row]:
    ready, go = asyncio.Semaphore(0), asyncio.Event()
    ends: list[float] = []

    async def conduct(link: Link, attempt: Attempt) -> None:
        async with link.journal(attempt) as stream:
            await stream.send([Record(1, AttemptStarted(now())), Record(2, StepStarted(now(), STEP))])
            await acknowledged(stream, 2)
            ready.release()
            await go.wait()
            await _stream(stream)
            ends.append(time.perf_counter())
            await stream.send([Record(CHUNKS + 3, AttemptFinished(now(), ExecutionState.PASSED))])
            await acknowledged(stream, CHUNKS + 3)

    agents = [SimulatedAgent(plane.link(number), conduct, slots=1) for number in range(STREAMS)]
    async with at_work(agents):
        for _ in range(STREAMS):
            await client.submit(NewRun(workflow="bench"))
        for _ in range(STREAMS):
            await ready.acquire()
        before, busy, begin = plane.memory(), plane.busy(), time.perf_counter()
        go.set()
        while len(ends) < STREAMS:
            await asyncio.sleep(0.05)
        took, used, after = max(ends) - begin, plane.busy() - busy, plane.memory()
    size = STREAMS * CHUNKS * len(LINES)
    rate, lines = size / took, size / LINE / took
    return [
        Row(
            f"journal ingest, {STREAMS} streams",
            f"{rate / 1e6:8.1f} MB/s   ({used / took:4.2f} cores of the control plane)",
            ">= 60 MB/s",
            rate >= GOAL_BYTES,
        ),
        Row(f"the same in lines of {LINE} bytes", f"{lines / 1e3:8.0f} k lines/s", ">= 400 k/s", lines >= GOAL_LINES),
        Row("memory of the control plane, before and after", f"{before:8.0f} MB, {after:.0f} MB"),
    ]


async def _stream(stream: JournalStream) -> None:
    """Send all chunks, at most MAX_AHEAD bytes ahead of what is acknowledged."""
    ahead = asyncio.Semaphore(MAX_AHEAD // CHUNK)

    async def heard() -> None:
        known = 2
        async for item in stream.received():
            if isinstance(item, int):
                for _ in range(item - known):
                    ahead.release()
                known = item
                if item >= CHUNKS + 2:
                    return

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(heard())
        for seq in range(3, CHUNKS + 3):
            await ahead.acquire()
            await stream.send([Record(seq, Output(now(), STEP, Stream.STDOUT, LINES))])


if __name__ == "__main__":
    alone("ingest", measure)
