"""What a test may rely on when it moves time by hand."""

from __future__ import annotations

import asyncio

from control_plane.adapters.memory import ManualClock


async def test_each_sleeper_wakes_at_its_own_moment_even_when_it_sleeps_again() -> None:
    clock = ManualClock()
    seen: list[float] = []

    async def ticker() -> None:
        for _ in range(5):
            await clock.sleep(1)
            seen.append(clock.monotonic())

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ticker())
        await clock.until_asleep()
        await clock.advance(3.5)
        assert seen == [1, 2, 3]
        assert clock.monotonic() == 3.5
        assert clock.sleepers == 1
        await clock.advance(10)
    assert seen == [1, 2, 3, 4, 5]


async def test_a_jump_moves_the_wall_clock_alone() -> None:
    clock = ManualClock()
    now = clock.now()
    clock.jump(-3600)
    assert clock.now() == now - 3600 * 1_000_000
    assert clock.monotonic() == 0


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = ManualClock()
    async with asyncio.TaskGroup() as tasks:
        sleeper = tasks.create_task(clock.sleep(5))
        await clock.until_asleep()
        sleeper.cancel()
    assert clock.sleepers == 0
    await clock.advance(10)
