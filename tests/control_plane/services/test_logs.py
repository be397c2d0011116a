"""Whoever reads a log, from wherever, however slowly, reads exactly what was printed behind that place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from control_plane.ports.journals import Position
from control_plane.services.logs import Chunk, NoSuchStep, Wanted
from tests.control_plane.world import World
from workflow.identifiers import ExecutionId
from workflow.states import ExecutionState, Verdict


@pytest.fixture
async def world() -> World:
    return await World().populate()


async def collected(source: AsyncGenerator[Sequence[Chunk]]) -> list[Chunk]:
    async with aclosing(source):
        return [chunk async for chunks in source for chunk in chunks]


def text(chunks: Sequence[Chunk]) -> bytes:
    return b"".join(chunk.data for chunk in chunks)


async def talker(world: World, lines: int = 50) -> ExecutionId:
    execution = await world.execution(await world.run(), "dev")
    for number in range(lines):
        await world.prints(execution, "1", f"line {number}\n")
    return execution


async def test_a_page_is_read_behind_a_position(world: World) -> None:
    execution = await talker(world, 3)
    first = await world.logs.read(execution, limit=1)
    assert text(first) == b"line 0\n"
    rest = await world.logs.read(execution, first[-1].position)
    assert text(rest) == b"line 1\nline 2\n"
    assert await world.logs.read(execution, rest[-1].position) == ()


async def test_following_from_every_position_gives_exactly_the_rest(world: World) -> None:
    execution = await talker(world)
    await world.ends(execution, ExecutionState.PASSED)
    whole = await collected(world.logs.follow(execution))
    assert text(whole) == b"".join(f"line {number}\n".encode() for number in range(50))
    for number, chunk in enumerate(whole):
        assert await collected(world.logs.follow(execution, chunk.position)) == whole[number + 1 :]


async def test_a_follower_hears_what_is_printed_and_ends_with_the_execution(world: World) -> None:
    execution = await talker(world, 1)
    async with asyncio.TaskGroup() as group, asyncio.timeout(5):
        following = group.create_task(collected(world.logs.follow(execution)))
        await asyncio.sleep(0)
        await world.prints(execution, "1", "later\n")
        await world.ends(execution, ExecutionState.PASSED)
    assert text(following.result()) == b"line 0\nlater\n"


async def test_what_came_with_the_end_is_not_lost(world: World) -> None:
    execution = await talker(world, 1)
    follower = world.logs.follow(execution)
    assert text(await anext(follower)) == b"line 0\n"
    await world.prints(execution, "1", "last words\n")
    await world.ends(execution, ExecutionState.FAILED)
    assert text(await collected(follower)) == b"last words\n"


async def test_readers_do_not_wait_for_each_other(world: World) -> None:
    execution = await talker(world)
    slow = world.logs.follow(execution)
    await anext(slow)
    await world.ends(execution, ExecutionState.PASSED)
    async with asyncio.timeout(5):
        assert len(await collected(world.logs.follow(execution))) == 50
    await slow.aclose()


async def test_a_second_attempt_follows_the_first(world: World) -> None:
    execution = await talker(world, 2)
    await world.prints(execution, "1", "again\n", attempt=2)
    await world.ends(execution, ExecutionState.PASSED)
    assert text(await collected(world.logs.follow(execution, Position(1, 1)))) == b"line 1\nagain\n"
    assert text(await collected(world.logs.follow(execution, wanted=Wanted(attempt=2)))) == b"again\n"


@pytest.mark.parametrize(
    ("step", "expected"),
    [("1", b"a"), ("build", b"a"), ("2", b"bc"), ("checks", b"bc"), ("load test", b"c"), ("2.1", b"b")],
)
async def test_a_step_is_found_by_place_id_and_name_with_what_stands_inside(
    world: World, step: str, expected: bytes
) -> None:
    execution = await world.execution(await world.run(), "dev")
    for ref, data in (("1", "a"), ("2.1", "b"), ("2.2", "c")):
        await world.prints(execution, ref, data)
    await world.ends(execution, ExecutionState.PASSED)
    assert text(await collected(world.logs.follow(execution, wanted=Wanted(step)))) == expected


async def test_an_unknown_step_is_named_with_those_that_there_are(world: World) -> None:
    execution = await talker(world, 1)
    with pytest.raises(NoSuchStep, match="'tidy'; there are: build, checks, unit, load test"):
        await world.logs.check_step([execution], "tidy")


async def test_an_unknown_execution_is_an_error(world: World) -> None:
    with pytest.raises(KeyError):
        await collected(world.logs.follow(ExecutionId("nobody")))


async def test_a_run_is_read_in_order_of_time(world: World) -> None:
    run = await world.run()
    one, two = [await world.execution(run, where) for where in ("dev", "prod")]
    for number in range(6):
        await world.prints(two if number % 2 else one, "1", f"{number}")
    assert text(await collected(world.logs.of_run(run))) == b"012345"
    assert text(await collected(world.logs.of_run(run, Wanted(agent="prod-runner")))) == b"135"


async def test_following_a_run_hears_executions_that_come_later(world: World) -> None:
    run = await world.run()
    one = await world.execution(run, "dev")
    await world.prints(one, "1", "early ")
    follower = world.logs.follow_run(run)
    assert text(await anext(follower)) == b"early "
    async with asyncio.TaskGroup() as group, asyncio.timeout(5):
        rest = group.create_task(collected(follower))
        two = await world.execution(run, "prod")
        await world.prints(two, "1", "late")
        for execution in (one, two):
            await world.ends(execution, ExecutionState.PASSED)
        await world.run_ends(run, Verdict.PASSED)
    assert text(rest.result()) == b"late"


async def test_a_follower_that_leaves_leaves_nothing_behind(world: World) -> None:
    run = await world.run()
    await world.prints(await world.execution(run, "dev"), "1", "x")
    follower = world.logs.follow_run(run)
    await anext(follower)
    before = len(asyncio.all_tasks())
    await follower.aclose()
    assert len(asyncio.all_tasks()) <= before
    assert not world.signals._hearers.keys() - {"agent/"}
