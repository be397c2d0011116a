"""What every journal must do: keep order, drop what it has, refuse gaps, read from anywhere."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.ports.journals import JournalGap, JournalLog, JournalUnavailable, Position
from tests.contracts.journals.records import attempt, read_all, record, records, stored
from workflow.identifiers import ExecutionId


async def test_an_empty_journal(log: JournalLog) -> None:
    assert await log.last(attempt()) == 0
    assert await log.read(ExecutionId("e1"), Position()) == []
    await log.remove(ExecutionId("e1"))


async def test_what_was_appended_is_read_back(log: JournalLog) -> None:
    assert await log.append(attempt(), records(1, 3)) == 3
    assert await log.append(attempt(), records(4, 4)) == 4
    assert await log.last(attempt()) == 4
    assert await read_all(log) == stored(1, records(1, 4))


async def test_duplicates_are_dropped(log: JournalLog) -> None:
    await log.append(attempt(), records(1, 3))
    assert await log.append(attempt(), records(1, 2)) == 3
    assert await log.append(attempt(), records(2, 5)) == 5
    assert await log.append(attempt(), []) == 5
    assert await read_all(log) == stored(1, records(1, 5))


async def test_a_duplicate_does_not_replace(log: JournalLog) -> None:
    await log.append(attempt(), records(1, 2))
    await log.append(attempt(), [record(2, b"another"), record(3)])
    assert await read_all(log) == stored(1, [*records(1, 2), record(3)])


@pytest.mark.parametrize("seqs", [[2], [1, 3], [1, 2, 2], [2, 1]])
async def test_a_gap_is_refused_and_nothing_stored(log: JournalLog, seqs: list[int]) -> None:
    with pytest.raises(JournalGap):
        await log.append(attempt(), [record(seq) for seq in seqs])
    assert await log.last(attempt()) == 0
    assert await read_all(log) == []


async def test_attempts_and_executions_are_apart(log: JournalLog) -> None:
    await log.append(attempt("e1", 1), records(1, 3))
    await log.append(attempt("e1", 2), records(1, 2))
    await log.append(attempt("e10", 1), records(1, 1))
    await log.append(attempt("e1", 1), records(4, 4))
    assert [await log.last(attempt("e1", number)) for number in (1, 2, 3)] == [4, 2, 0]
    assert await read_all(log) == stored(1, records(1, 4)) + stored(2, records(1, 2))
    assert await read_all(log, "e10") == stored(1, records(1, 1))
    assert await read_all(log, "e") == []


async def test_every_suffix_is_exact(log: JournalLog) -> None:
    await log.append(attempt("e1", 1), records(1, 7))
    for seq in range(8, 12):
        await log.append(attempt("e1", 1), [record(seq)])
    await log.append(attempt("e1", 2), records(1, 4))
    whole = await read_all(log)
    assert len(whole) == 15
    places = [Position(), *(one.position for one in whole)]
    for skipped, place in enumerate(places):
        for limit in (1, 60, 1_000_000):
            assert await read_all(log, after=place, limit=limit) == whole[skipped:]
    assert await read_all(log, after=Position(1, 10_000)) == whole[11:]
    assert await read_all(log, after=Position(9, 0)) == []


async def test_a_reading_ends_about_at_its_limit(log: JournalLog) -> None:
    await log.append(attempt(), records(1, 100, size=1000))
    page = await log.read(ExecutionId("e1"), Position(), limit=10_000)
    assert 8 <= len(page) <= 12
    assert len(await log.read(ExecutionId("e1"), Position(), limit=1)) == 1


async def test_large_appends(log: JournalLog) -> None:
    many = records(1, 40, size=200_000)
    assert await log.append(attempt(), many) == 40
    assert await read_all(log, limit=1_000_000) == stored(1, many)


async def test_many_writers_and_readers_at_once(log: JournalLog) -> None:
    async def write(name: str) -> None:
        for first in range(1, 61, 3):
            assert await log.append(attempt(name), records(first, first + 2)) == first + 2
            assert (await read_all(log, name))[-1].position == Position(1, first + 2)

    async with asyncio.TaskGroup() as tasks:
        for number in range(8):
            tasks.create_task(write(f"e{number}"))
    for number in range(8):
        assert await read_all(log, f"e{number}") == stored(1, records(1, 60))


async def test_a_follower_sees_every_record_once_and_in_order(log: JournalLog) -> None:
    grown = asyncio.Event()

    async def follow() -> list[int]:
        seen: list[int] = []
        after = Position()
        while not seen or seen[-1] < 80:
            await grown.wait()
            grown.clear()
            for one in await read_all(log, after=after, limit=100):
                seen.append(one.position.seq)
                after = one.position
        return seen

    async with asyncio.TaskGroup() as tasks:
        follower = tasks.create_task(follow())
        for seq in range(1, 81):
            await log.append(attempt(), [record(seq)])
            grown.set()
    assert follower.result() == list(range(1, 81))


async def test_a_cancelled_append_is_there_or_not_and_the_next_one_finds_out(log: JournalLog) -> None:
    async with asyncio.TaskGroup() as tasks:
        cut = tasks.create_task(log.append(attempt(), records(1, 2)))
        await asyncio.sleep(0)
        cut.cancel()
    assert await log.append(attempt(), records(1, 3)) == 3
    assert await read_all(log) == stored(1, records(1, 3))


async def test_what_was_removed_is_gone(log: JournalLog) -> None:
    for number in range(1, 6):
        await log.append(attempt("e1"), [record(number)])
        await log.append(attempt("e2"), [record(number)])
    await log.remove(ExecutionId("e1"))
    assert await log.last(attempt("e1")) == 0
    assert await read_all(log, "e1") == []
    assert await read_all(log, "e2") == stored(1, [record(seq) for seq in range(1, 6)])


async def test_nothing_is_stored_after_close(log: JournalLog) -> None:
    await log.close()
    with pytest.raises(JournalUnavailable):
        await log.append(attempt(), records(1, 1))
    await log.close()
