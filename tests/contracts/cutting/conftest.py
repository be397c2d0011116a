"""An agent whose way to the API server can be cut, on the cluster in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from kubernetes.aio.client import Configuration

from tests.agent.executors.kubernetes.conftest import SETTINGS, FakeCluster, cluster
from tests.contracts.cutting.bench import PATIENCE, Cut, cut_off

__all__ = ["cluster"]


@pytest.fixture
async def cut(cluster: FakeCluster) -> AsyncIterator[Cut]:
    """One agent."""
    server = Configuration()
    server.host = cluster.api.url
    async with cut_off(server, SETTINGS, PATIENCE) as made:
        yield made
