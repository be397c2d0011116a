"""Run as a process by test_crashes, and killed: six conductors whose journals go to small segments; prints what was
acknowledged."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from control_plane.adapters.segments import SegmentJournals
from tests.contracts.journals.records import attempt, records

WRITERS = 6
SEGMENT_SIZE = 20_000


async def write(log: SegmentJournals, name: str) -> None:
    """Records for ever, from where the last process was killed."""
    last = await log.last(attempt(name))
    while True:
        last = await log.append(attempt(name), records(last + 1, last + 1 + last % 4, size=last % 300))
        sys.stdout.write(f"{name} {last}\n")


async def main(folder: Path) -> None:
    """Until killed."""
    log = await SegmentJournals.open(folder / "wal", folder / "objects", segment_size=SEGMENT_SIZE)
    async with asyncio.TaskGroup() as tasks:
        for writer in range(WRITERS):
            tasks.create_task(write(log, f"e{writer}"))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
