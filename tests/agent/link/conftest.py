"""A control plane to speak with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.control_plane.rpc.house import House, house


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as built:
        yield built
