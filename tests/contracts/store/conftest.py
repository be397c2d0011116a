"""Every adapter of the Store port, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control_plane.adapters.memory import MemoryStore
from control_plane.adapters.sqlite import SqliteStore
from control_plane.ports.store import Store


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    opened: Store = MemoryStore() if request.param == "memory" else await SqliteStore.open(tmp_path / "muster.db")
    yield opened
    await opened.close()
