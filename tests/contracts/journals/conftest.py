"""Every adapter of the JournalLog port: the twin, segments that are never sealed, and segments so small that nearly
every append seals one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control_plane.adapters.memory import MemoryJournals
from control_plane.adapters.segments import SegmentJournals
from control_plane.ports.journals import JournalLog


@pytest.fixture(params=["memory", "segments", "small segments", "segments to a remote store"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JournalLog]:
    """An empty journal."""
    opened: JournalLog
    match request.param:
        case "memory":
            opened = MemoryJournals()
        case "segments":
            opened = await SegmentJournals.open(tmp_path / "wal", tmp_path / "objects")
        case "small segments":
            opened = await SegmentJournals.open(tmp_path / "wal", tmp_path / "objects", segment_size=200)
        case _:
            opened = await SegmentJournals.open(tmp_path / "wal", "memory:///", segment_size=200)
    yield opened
    await opened.close()
