"""What an agent withstands between itself and a real API server, through the same proxy and by the same tests as on
the cluster in this process; each also with conductors that are reached through the API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agent.executors.kubernetes.settings import Reach
from tests.cluster.conftest import calls_to, settings_for
from tests.contracts.cutting.bench import PATIENCE, Cut, cut_off
from tests.contracts.cutting.test_cutting import *  # noqa: F403 - the tests themselves


@pytest.fixture(params=list(Reach), ids=lambda reach: reach.value)
async def cut(request: pytest.FixtureRequest, kubeconfig: str, namespace: str) -> AsyncIterator[Cut]:
    """One agent."""
    calls = await calls_to(kubeconfig)
    settings = replace(settings_for(namespace), reach=request.param)
    async with cut_off(calls.client.configuration, settings, PATIENCE) as made:
        yield made
    await calls.close()
