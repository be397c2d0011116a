"""Run as a process by test_crashes, and killed: eight writers that print what was acknowledged."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from control_plane.adapters.sqlite import SqliteStore
from control_plane.ports.store import Store, Unit
from tests.contracts.store.rows import a_plan, a_run, an_execution

WRITERS = 8


async def write(store: Store, writer: int, start: int) -> None:
    """Runs with an execution each, for ever."""
    number = start * 1_000_000 + writer
    while True:
        number += WRITERS

        def work(unit: Unit, name: str = f"r{number}", number: int = number) -> None:
            unit.runs.add(a_run(name, number))
            unit.executions.add(an_execution(f"e{number}", name), a_plan(f"e{number}"))

        await store.write(work)
        sys.stdout.write(f"{number}\n")


async def main(path: Path, start: int) -> None:
    """Until killed."""
    store = await SqliteStore.open(path)
    async with asyncio.TaskGroup() as tasks:
        for writer in range(WRITERS):
            tasks.create_task(write(store, writer, start))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
