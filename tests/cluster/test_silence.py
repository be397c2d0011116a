"""Ten minutes in which the API server says nothing on connections that stay open, with the patience that agents have
by themselves. Long: asked for by MUSTER_TEST_SILENCE, its seconds (600)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agent.executors.kubernetes.settings import Patience, Reach
from tests.cluster.conftest import calls_to, settings_for
from tests.contracts.cutting.bench import Cut, cut_off
from workflow.states import ExecutionState

SECONDS = float(os.environ.get("MUSTER_TEST_SILENCE", "0"))
WITHIN = 2 * Patience().relist
"""Seconds after which everything is known again, at the latest."""


@pytest.fixture(params=list(Reach), ids=lambda reach: reach.value)
async def cut(request: pytest.FixtureRequest, kubeconfig: str, namespace: str) -> AsyncIterator[Cut]:
    """One agent, as patient as agents are."""
    calls = await calls_to(kubeconfig)
    settings = replace(settings_for(namespace), reach=request.param)
    async with cut_off(calls.client.configuration, settings, Patience()) as made:
        yield made
    await calls.close()


@pytest.mark.skipif(
    not SECONDS, reason="ten minutes of silence take ten minutes: MUSTER_TEST_SILENCE=600 asks for them"
)
@pytest.mark.timeout(2 * SECONDS + 2 * WITHIN + 60)
async def test_ten_minutes_of_silence(cut: Cut) -> None:
    lines = int(SECONDS) // 2
    _, running = await cut.counting(lines, 2.2)
    deleted, lost = cut.begin("echo up; sleep 100000")
    _, short = cut.begin("echo up; sleep 30")
    for held in (running, lost, short):
        await cut.control.until(lambda held=held: bool(held.output()), 120)  # type: ignore[misc]
    cut.proxy.silent = True
    await cut.delete(deleted)
    await cut.proxy.silence(SECONDS)
    cut.proxy.speak()
    began = asyncio.get_running_loop().time()
    reason = await cut.lost(deleted, lost, WITHIN)
    assert "deleted" in reason, reason
    await cut.control.until(lambda: short.finished is not None, WITHIN)
    assert short.finished is not None and short.finished.state is ExecutionState.PASSED
    assert asyncio.get_running_loop().time() - began < WITHIN
    await cut.control.until(lambda: running.finished is not None, SECONDS)
    await cut.passed(running, lines)
