"""What every adapter of the Clock port must do."""

from __future__ import annotations

import asyncio
import re

import pytest

from control_plane.adapters.memory import ManualClock
from control_plane.adapters.system import SystemClock
from control_plane.ports.clock import Clock
from workflow.identifiers import execution_id, run_id


@pytest.fixture(params=["manual", "system"])
def clock(request: pytest.FixtureRequest) -> Clock:
    """A clock."""
    return ManualClock() if request.param == "manual" else SystemClock()


async def pass_time(clock: Clock, seconds: float) -> None:
    """Let time pass, by whichever way it passes."""
    if isinstance(clock, ManualClock):
        await clock.advance(seconds)
    else:
        await clock.sleep(seconds)


async def test_time_goes_forward(clock: Clock) -> None:
    now, monotonic = clock.now(), clock.monotonic()
    await pass_time(clock, 0.02)
    assert 15_000 <= clock.now() - now < 10_000_000
    assert 0.015 <= clock.monotonic() - monotonic < 10
    assert now > 1_600_000_000 * 1_000_000


async def test_sleepers_wake_in_their_order(clock: Clock) -> None:
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as tasks:
        for seconds in (0.03, 0.01, 0.02, 0, -1):
            tasks.create_task(sleeper(seconds))
        await asyncio.sleep(0)
        await pass_time(clock, 0.04)
    assert sorted(woken[:2]) == [-1, 0]
    assert woken[2:] == [0.01, 0.02, 0.03]


def test_fresh_ids_are_identifiers_unique_and_sorted_as_made(clock: Clock) -> None:
    made = [clock.fresh_id() for _ in range(5_000)]
    assert all(re.fullmatch("[a-z0-9]{20}", one) for one in made)
    assert made == sorted(set(made))
    assert execution_id(made[0]) == made[0]
    assert run_id(made[0]) == made[0]
