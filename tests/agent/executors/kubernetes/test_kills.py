"""A few of the points at which an agent is killed, on the cluster in this process; all of them on a real one in
tests/cluster/test_kills.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kubernetes.aio.client import Configuration

from tests.agent.executors.kubernetes.conftest import SETTINGS, FakeCluster
from tests.contracts.killing.bench import Ground, Moment, killing_ground
from tests.contracts.killing.scenes import killed_once, killed_while_adopting


@pytest.fixture
async def ground(cluster: FakeCluster, tmp_path: Path) -> AsyncIterator[Ground]:
    """An agent as a program, outside of the cluster."""
    server = Configuration()
    server.host = cluster.api.url
    more = {"image": SETTINGS.image, "grace": 3, "reach": "address"}
    async with killing_ground(tmp_path, server, SETTINGS.namespace, more) as made:
        yield made


@pytest.mark.parametrize(
    ("point", "moment"), [("POST secrets", Moment.AFTER), ("POST pods", Moment.AFTER), ("DELETE pods", Moment.BEFORE)]
)
async def test_an_agent_killed_while_it_launches_or_ends(ground: Ground, point: str, moment: Moment) -> None:
    await killed_once(ground, point, moment)


async def test_an_agent_killed_while_it_adopts(ground: Ground) -> None:
    await killed_while_adopting(ground, "GET secrets", Moment.BEFORE)
