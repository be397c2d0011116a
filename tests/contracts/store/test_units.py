"""What a unit of work may rely on: all of it or nothing, one after the other, durable when answered, seen by every
later read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from control_plane.ports.records import RunRow
from control_plane.ports.store import Conflict, Store, Unavailable, Unit
from tests.contracts.store.rows import a_full_execution, a_plan, a_run, an_execution
from workflow.identifiers import ExecutionId, RunId


class Trouble(Exception):
    """Raised by a unit of work."""


async def test_a_unit_of_work_gives_its_value(store: Store) -> None:
    assert await store.write(lambda unit: unit.runs.next_number("a")) == 1
    assert await store.read(lambda unit: unit.runs.get(RunId("none"))) is None


async def test_a_unit_that_raises_changes_nothing(store: Store) -> None:
    def work(unit: Unit) -> None:
        unit.runs.add(a_run())
        unit.executions.add(an_execution(), a_plan())
        unit.runs.next_number("cross")
        raise Trouble

    with pytest.raises(Trouble):
        await store.write(work)
    assert await store.read(lambda unit: unit.runs.get(RunId("r1"))) is None
    assert await store.read(lambda unit: unit.executions.get(ExecutionId("e1"))) is None
    assert await store.write(lambda unit: unit.runs.next_number("cross")) == 1


async def test_a_unit_that_raises_does_not_harm_those_beside_it(store: Store) -> None:
    def work(number: int) -> Callable[[Unit], int]:
        def add(unit: Unit) -> int:
            unit.runs.add(a_run(f"r{number}", number))
            if number % 3 == 0:
                raise Trouble
            return number

        return add

    results = await asyncio.gather(*(store.write(work(n)) for n in range(1, 31)), return_exceptions=True)
    good = [n for n in range(1, 31) if n % 3]
    assert [result for result in results if isinstance(result, int)] == good
    rows = await store.read(lambda unit: unit.runs.latest(100))
    assert sorted(row.number for row in rows) == good


async def test_a_conflict_that_the_unit_handles_leaves_the_rest_of_it(store: Store) -> None:
    def work(unit: Unit) -> str:
        unit.runs.add(a_run("r1", 1))
        try:
            unit.runs.add(a_run("r1", 2))
        except Conflict:
            unit.runs.add(a_run("r2", 2))
            return "handled"
        return "no conflict"

    assert await store.write(work) == "handled"
    assert [row.id for row in await store.read(lambda unit: unit.runs.latest(10))] == ["r2", "r1"]


async def test_a_write_sees_its_own_changes_and_those_before(store: Store) -> None:
    def work(unit: Unit) -> RunRow | None:
        unit.runs.add(a_run())
        return unit.runs.get(RunId("r1"))

    assert await store.write(work) == a_run()
    assert await store.write(lambda unit: unit.runs.get(RunId("r1"))) == a_run()


async def test_a_read_sees_every_write_that_returned_before(store: Store) -> None:
    async def one(number: int) -> None:
        await store.write(lambda unit: unit.runs.add(a_run(f"r{number}", number)))
        assert await store.read(lambda unit: unit.runs.get(RunId(f"r{number}"))) is not None

    async with asyncio.TaskGroup() as tasks:
        for number in range(1, 41):
            tasks.create_task(one(number))


async def test_a_read_may_not_write(store: Store) -> None:
    with pytest.raises(RuntimeError, match="read"):
        await store.read(lambda unit: unit.runs.add(a_run()))
    assert await store.read(lambda unit: unit.runs.get(RunId("r1"))) is None
    await store.write(lambda unit: unit.runs.add(a_run()))


async def test_writes_are_serialised(store: Store) -> None:
    numbers = await asyncio.gather(*(store.write(lambda unit: unit.runs.next_number("a")) for _ in range(50)))
    assert sorted(numbers) == list(range(1, 51))


async def test_a_cancelled_writer_harms_nobody(store: Store) -> None:
    async with asyncio.TaskGroup() as tasks:
        impatient = tasks.create_task(store.write(lambda unit: unit.runs.next_number("a")))
        patient = tasks.create_task(store.write(lambda unit: unit.runs.next_number("b")))
        await asyncio.sleep(0)
        impatient.cancel()
    assert patient.result() == 1


async def test_nothing_is_served_after_close(store: Store) -> None:
    await store.write(lambda unit: unit.runs.add(a_run()))
    await store.close()
    with pytest.raises(Unavailable):
        await store.write(lambda unit: unit.runs.next_number("a"))
    with pytest.raises(Unavailable):
        await store.read(lambda unit: unit.runs.get(RunId("r1")))
    await store.close()


async def test_whose_parents_do_not_exist_is_a_conflict(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.write(lambda unit: unit.executions.add(an_execution(run="nobody"), a_plan()))
    await store.write(lambda unit: unit.runs.add(a_run()))
    with pytest.raises(Conflict):
        await store.write(lambda unit: unit.executions.add(a_full_execution(parent="nobody"), a_plan("full")))
    with pytest.raises(Conflict):
        await store.write(lambda unit: unit.entries.add_event(ExecutionId("nobody"), 1, b""))
