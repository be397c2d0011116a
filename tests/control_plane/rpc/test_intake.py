"""The bounded queue between a stream and the disk, and works that end together."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.rpc.intake import Intake
from control_plane.rpc.together import until_first
from workflow.identifiers import Instant, StepRef
from workflow.journal import Record, StepPaused
from workflow.session import MAX_MESSAGE


def record(seq: int) -> Record:
    return Record(seq, StepPaused(Instant(seq), StepRef("1")))


async def blocked(intake: Intake, size: int) -> bool:
    """Whether a further batch would have to wait."""
    try:
        async with asyncio.timeout(0.02):
            await intake.put([record(99)], size)
    except TimeoutError:
        return True
    return False


async def test_what_waits_is_taken_together() -> None:
    intake = Intake()
    for seq in (1, 2, 3):
        await intake.put([record(seq)], 10)
    assert await intake.take() == [record(1), record(2), record(3)]


async def test_not_more_than_a_message_is_taken_at_once() -> None:
    intake = Intake()
    for seq in (1, 2, 3):
        await intake.put([record(seq)], MAX_MESSAGE // 2)
    assert await intake.take() == [record(1), record(2)]
    assert await intake.take() == [record(3)]


async def test_what_is_taken_counts_until_it_is_durable() -> None:
    intake = Intake(limit=100)
    await intake.put([record(1)], 60)
    await intake.take()
    assert await blocked(intake, 60)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(intake.put([record(2)], 60))
        assert await intake.take() == [record(2)]


async def test_a_batch_above_the_limit_passes_alone() -> None:
    intake = Intake(limit=100)
    await intake.put([record(1)], 500)
    assert await blocked(intake, 1)
    assert await intake.take() == [record(1)]


async def test_the_end_comes_after_everything() -> None:
    intake = Intake()
    await intake.put([record(1)], 10)
    await intake.end()
    assert await intake.take() == [record(1)]
    assert await intake.take() == []


async def test_works_end_together() -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("forever")

    async def fails() -> None:
        raise KeyError("bare")

    await until_first(forever(), asyncio.sleep(0))
    with pytest.raises(KeyError, match="bare"):
        await until_first(forever(), fails())
    assert ended == ["forever", "forever"]


async def test_being_cancelled_is_passed_on() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await until_first(asyncio.Event().wait())  # type: ignore[arg-type]
