"""What ended long ago is forgotten with its journals and files; what anybody still needs is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from control_plane.adapters.memory import ManualClock
from control_plane.ports.journals import Position
from control_plane.ports.store import Unavailable, Unit
from control_plane.services.retention import DAY, EVERY, Retention
from tests.control_plane.world import World
from workflow.identifiers import AgentName, ExecutionId, Instant, RunId, StepRef
from workflow.journal import TransferStored
from workflow.session import FileOffer
from workflow.states import ExecutionState, Verdict

ONE_DAY = 24 * 3600.0
WEEK = 7 * ONE_DAY


@pytest.fixture
async def world() -> World:
    return await World().populate()


@pytest.fixture
def clock(world: World) -> ManualClock:
    """A week and a day after everything that a test begins with."""
    return ManualClock(Instant(world.tick() + 8 * DAY))


def retention(world: World, clock: ManualClock, keep: float = WEEK) -> Retention:
    return Retention(world.store, world.journals, world.artifacts, clock, keep)


async def ended(world: World, name: str = "every-1", data: bytes = b"report") -> tuple[RunId, ExecutionId, str]:
    """A run that printed, stored a file, and ended."""
    run = await world.run(name)
    execution = await world.execution(run, "dev")
    await world.prints(execution, "1", "hello\n")
    digest = await world.artifact(execution, "report.txt", data)
    await world.ends(execution, ExecutionState.PASSED)
    await world.run_ends(run, Verdict.PASSED)
    return run, execution, digest


async def there(world: World, run: RunId, execution: ExecutionId) -> tuple[bool, bool]:
    """Whether the store has the run, and the journals its output."""
    row = await world.store.read(lambda unit: unit.runs.get(run))
    return row is not None, bool(await world.journals.read(execution, Position(0, 0)))


async def test_a_run_that_ended_long_ago_goes_with_its_journal_and_a_day_later_its_files(
    world: World, clock: ManualClock
) -> None:
    run, execution, digest = await ended(world)
    keeper = retention(world, clock)
    assert await keeper.round() == 1
    assert await there(world, run, execution) == (False, False)
    assert await world.blobs.size(digest) == 6
    clock.jump(ONE_DAY + 1)
    assert await keeper.round() == 0
    assert await world.blobs.size(digest) is None
    assert await world.store.read(lambda unit: unit.garbage.has(digest)) is False


async def test_what_is_younger_or_open_stays(world: World, clock: ManualClock) -> None:
    run, execution, _ = await ended(world)
    going = await world.run("every-2")
    open_one = await world.execution(going, "dev")
    assert await retention(world, clock, keep=9 * 24 * 3600).round() == 0
    assert await there(world, run, execution) == (True, True)
    await world.run_ends(going, Verdict.CANCELED)  # while its execution is still being stopped
    assert await retention(world, clock).round() == 1
    assert (await there(world, going, open_one))[0]


async def test_everything_is_kept_where_nothing_is_said(world: World, clock: ManualClock) -> None:
    run, execution, _ = await ended(world)
    assert await retention(world, clock, keep=0).round() == 0
    assert await there(world, run, execution) == (True, True)


async def test_many_go_in_one_round(world: World, clock: ManualClock) -> None:
    for number in range(1, 121):
        await world.run_ends(await world.run(f"every-{number}"), Verdict.PASSED)
    assert await retention(world, clock).round() == 120


async def test_a_file_that_another_run_has_too_stays(world: World, clock: ManualClock) -> None:
    _, _, digest = await ended(world)
    young, other, same = await ended(world, "every-2")
    assert same == digest

    def work(unit: Unit) -> None:
        row = unit.runs.get(young)
        assert row is not None
        unit.runs.put(replace(row, finished_at=clock.now()))

    await world.store.write(work)
    keeper = retention(world, clock)
    assert await keeper.round() == 1
    clock.jump(2 * ONE_DAY)
    await keeper.round()
    assert await world.blobs.size(digest) == 6
    assert await there(world, young, other) == (True, True)


async def test_a_file_that_is_stored_again_before_it_goes_stays(world: World, clock: ManualClock) -> None:
    _, _, digest = await ended(world)
    keeper = retention(world, clock)
    await keeper.round()
    again = await world.execution(await world.run("every-2"), "dev")
    row = await world.store.read(lambda unit: unit.executions.get(again))
    assert row is not None
    offer = FileOffer(row.current, StepRef("1"), "report.txt", 6, digest)
    assert (await world.artifacts.begin(AgentName("dev-runner"), offer)).complete
    clock.jump(2 * ONE_DAY)
    await keeper.round()
    assert await world.blobs.size(digest) == 6


async def test_files_that_were_handed_on_go_too(world: World, clock: ManualClock) -> None:
    run = await world.run()
    execution = await world.execution(run, "dev")
    digest = await world.artifact(execution, "a", b"tarball")
    await world.says(execution, TransferStored(world.tick(), StepRef("1"), digest, "/data"))
    await world.ends(execution, ExecutionState.PASSED)
    await world.run_ends(run, Verdict.PASSED)
    keeper = retention(world, clock)
    await keeper.round()
    assert await world.store.read(lambda unit: unit.garbage.has(digest))


async def test_trouble_is_tried_again_in_the_next_round(world: World, clock: ManualClock) -> None:
    run, execution, _ = await ended(world)
    world.store.refusal = "the disk is full"
    keeper = retention(world, clock)
    with pytest.raises(Unavailable):
        await keeper.round()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keeper.run())
        await clock.until_asleep()
        assert (await there(world, run, execution))[0]
        world.store.refusal = None
        await clock.advance(EVERY)
        await clock.until_asleep()
        assert not (await there(world, run, execution))[0]
        running.cancel()
