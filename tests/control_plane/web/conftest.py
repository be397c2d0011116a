"""A served world for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.control_plane.web.server import TOKEN, Played, application, served
from tests.control_plane.world import World


@pytest.fixture
async def world() -> World:
    """Three agents, no run."""
    return await World().populate()


@pytest.fixture
def played(world: World) -> Played:
    """What the writing services hear."""
    return Played(world)


@pytest.fixture
async def http(world: World, played: Played) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the token."""
    async with (
        served(application(world, played)) as url,
        httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as client,
    ):
        yield client
