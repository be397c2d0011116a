"""The rows of a corpus that need containers, run as pods of a real cluster, every document as written.

Called by tests.conformance.corpus. The cluster is the first of ``KUBECONFIG``; its nodes must have the images that the
documents name, and ours, ``MUSTER_TEST_IMAGE``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.fleet import fleet
from tests.conformance.corpus_runs import judged_all
from tests.conformance.rows import Row


def lacking() -> list[str]:
    """The variables without which there is no cluster."""
    return [name for name in ("KUBECONFIG", "MUSTER_TEST_IMAGE") if not os.environ.get(name)]


async def run_in_pods(rows: Sequence[Row], documents: Sequence[Row]) -> dict[Row, str]:
    """What disagrees about each row, in words, empty where nothing does. ``documents`` are what the catalog holds."""
    with tempfile.TemporaryDirectory(prefix="muster-corpus-") as folder:
        async with fleet(Path(folder)) as made, made.client() as client:
            return await judged_all(client, rows, documents)
