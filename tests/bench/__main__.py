"""All benchmarks, one table: ``python -m tests.bench`` or ``make bench``. Takes less than three minutes.

Both ends of everything run on this machine. Each part has its own control plane; the floors are measured in the same
run. Exit code 1 where a goal is not met.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import burst, flood, floors, idle, ingest, language, lifecycles, recovery, start, tail
from tests.bench.table import Measure, header, show

PARTS: tuple[tuple[str, Measure], ...] = (
    ("floors: what no design gets below here", floors.measure),
    ("submission to step start", start.measure),
    ("a burst on one agent", burst.measure),
    ("live tail", tail.measure),
    ("a flood, and masking", flood.measure),
    ("lifecycles through the control plane, simulated agents", lifecycles.measure),
    ("journal ingest, simulated agents", ingest.measure),
    ("idle agents", idle.measure),
    ("recovery and obedience", recovery.measure),
    ("the language, and shards by duration", language.measure),
)


def main() -> int:
    """Measure and show; the exit code."""
    header()
    begin, missed = time.perf_counter(), 0
    for title, measure in PARTS:
        with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
            rows = asyncio.run(measure(Path(folder)))
        show(title, rows)
        missed += sum(row.met is False for row in rows)
    sys.stdout.write(f"\n{time.perf_counter() - begin:.0f} s; goals not met: {missed}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
