"""Memory of an agent in a cluster: resident (RSS), and with its share alone of what others have too (PSS). Idle, and
while it carries fifty running pods; beside a program that loads gRPC and the official client and does nothing.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from pathlib import Path

from tests.bench.cluster.place import HEAD, Fleet, fleet, tools
from tests.bench.table import Row, alone

PODS = 50
LINES = 10.0
"""Seconds for which the pods print, a line a second each, before the agent is looked at."""
IDLE, BUSY = 70.0, 110.0
WORKFLOW = HEAD + "  steps: [{name: Stay, shell: while sleep 1; do echo here; done}]\n"
_FLOOR = "import asyncio, sys, {}; print('.', flush=True); sys.stdin.read()"
_BARE = {
    "python and asyncio alone": "os",
    "with gRPC and kubernetes.aio's client": "grpc.aio, kubernetes.aio.client, kubernetes.aio.config",
    "and the client used": "grpc.aio; from kubernetes.aio.client import ApiClient; from kubernetes.aio import config",
}


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    floors = [Row(name, _said(await _floor(modules))) for name, modules in _BARE.items()]
    async with fleet(folder) as made:
        await asyncio.sleep(5)  # what starting up took is given back, or not
        idle = memory(made.pid(tools()[0]))
        runs = [(await made.submit(WORKFLOW)).id for _ in range(PODS)]
        await _running(made)
        await asyncio.sleep(LINES)
        busy = memory(made.pid(tools()[0]))
        for run in runs:
            await made.client.cancel(run)
        await made.cluster.emptied()
    return [
        *floors,
        Row("the agent, idle", _said(idle), f"RSS <= {IDLE:.0f} MB", idle[0] <= IDLE),
        Row(f"the agent, {PODS} pods that run and print", _said(busy), f"RSS <= {BUSY:.0f} MB", busy[0] <= BUSY),
    ]


def memory(process: int) -> tuple[float, float]:
    """RSS and PSS in MB."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text()
    rss, pss = (re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE) for name in ("Rss", "Pss"))
    assert rss and pss
    return int(rss[1]) / 1024, int(pss[1]) / 1024


async def _floor(modules: str) -> tuple[float, float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _FLOOR.format(modules)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        return memory(process.pid)
    finally:
        process.kill()
        await process.wait()


async def _running(made: Fleet, seconds: float = 600) -> None:
    """Wait until every conductor has begun."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if sum(each.started_at is not None for each in await made.client.executions()) == PODS:
            return
        await asyncio.sleep(1)
    raise TimeoutError("the pods do not come up")


def _said(seen: tuple[float, float]) -> str:
    return f"RSS {seen[0]:6.1f} MB   PSS {seen[1]:6.1f} MB"


if __name__ == "__main__":
    alone("memory", measure)
