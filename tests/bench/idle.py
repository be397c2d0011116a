"""A thousand agents that are connected and have nothing to do: what the control plane holds for them."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.agents import SimulatedAgent, at_work, lifecycle
from tests.bench.plane import running
from tests.bench.table import Row, alone

AGENTS = 1000
GOAL = 200.0


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    async with running(folder, AGENTS) as plane:
        empty = plane.memory()
        agents = [SimulatedAgent(plane.link(number), lifecycle) for number in range(AGENTS)]
        begin = time.perf_counter()
        async with at_work(agents):
            joined = time.perf_counter() - begin
            full = plane.memory()
    return [
        Row("control plane, no agent", f"{empty:8.0f} MB"),
        Row(f"control plane, {AGENTS} idle agents", f"{full:8.0f} MB", f"<= {GOAL:.0f} MB", full <= GOAL),
        Row("until all of them were connected", f"{joined:8.1f} s"),
    ]


if __name__ == "__main__":
    alone("idle agents", measure)
