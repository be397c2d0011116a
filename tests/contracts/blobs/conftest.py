"""Every adapter of the Blobs port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control_plane.adapters.memory import MemoryBlobs
from control_plane.adapters.objects import ObjectBlobs
from control_plane.ports.blobs import Blobs


@pytest.fixture(params=["memory", "folder", "remote store"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    """No blobs yet."""
    opened: Blobs
    match request.param:
        case "memory":
            opened = MemoryBlobs()
        case "folder":
            opened = await ObjectBlobs.open(tmp_path / "spool", tmp_path / "objects")
        case _:
            opened = await ObjectBlobs.open(tmp_path / "spool", "memory:///")
    yield opened
    await opened.close()
