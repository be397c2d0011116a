"""``make bench-cluster``, or ``python -m tests.bench.cluster [PART ...]``: parts are start, between, requests, memory.

Wants ``KUBECONFIG`` (a cluster on which one may make namespaces) and ``MUSTER_TEST_IMAGE`` (the image of
``deploy/image``, known to its nodes); ``MUSTER_TEST_TOOLS`` is ``hook``, ``image`` or ``hook,image``,
``MUSTER_TEST_REACH`` is ``address`` or ``tunnel``. Exit code 1 where a goal is not met, 2 where there is nothing to
measure on.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.cluster import between, memory, requests, start
from tests.bench.table import Measure, header, show

PARTS: dict[str, tuple[str, Measure]] = {
    "start": ("submission to first output, beside an equal pod made by hand", start.measure),
    "between": ("twenty steps in one pod, beside twenty init containers", between.measure),
    "requests": ("requests to the API server", requests.measure),
    "memory": ("memory of the agent", memory.measure),
}
WANTED = ("KUBECONFIG", "MUSTER_TEST_IMAGE")


def main(names: Sequence[str]) -> int:
    """Measure and show; the exit code."""
    lacking = [name for name in WANTED if not os.environ.get(name)]
    unknown = [name for name in names if name not in PARTS]
    if lacking or unknown:
        words = f"{' and '.join(lacking)} must be set" if lacking else f"there is no part {', '.join(unknown)}"
        sys.stderr.write(f"bench-cluster measures pods on a real Kubernetes: {words}; see tests/bench/cluster\n")
        return 2
    header()
    missed = 0
    for name in names or PARTS:
        title, measure = PARTS[name]
        with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
            rows = asyncio.run(measure(Path(folder)))
        show(title, rows)
        missed += sum(row.met is False for row in rows)
    sys.stdout.write(f"\ngoals not met: {missed}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
