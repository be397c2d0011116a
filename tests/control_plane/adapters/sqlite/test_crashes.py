"""What was acknowledged is there after a kill, after a copy taken at any moment, and after a full disk; and no unit
of work is there in part."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from control_plane.adapters.sqlite import SqliteStore
from control_plane.ports.store import Store, Unavailable, Unit
from tests.contracts.store.rows import a_document, a_run
from tests.control_plane.adapters.disks import acknowledged_until_killed, file_limit, fill, small_disk
from workflow.identifiers import ExecutionId, RunId


async def present(store: Store) -> set[int]:
    """The numbers of all runs, each of which has its execution."""
    rows = await store.read(lambda unit: unit.runs.latest(1_000_000))
    for row in rows:
        execution = ExecutionId(f"e{row.number}")
        assert await store.read(lambda unit, e=execution: unit.executions.plan(e)) is not None  # type: ignore[misc]
    return {row.number for row in rows}


@pytest.mark.timeout(180)
async def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    path = tmp_path / "muster.db"
    told: set[int] = set()
    for start, lines in enumerate([1, 2, 37, 150, 400]):
        arguments = [str(path), str(start + 1)]
        told |= {
            int(line)
            for line in await asyncio.to_thread(
                acknowledged_until_killed, "tests.control_plane.adapters.sqlite.writers", arguments, lines
            )
        }
        store = await SqliteStore.open(path)
        assert told <= await present(store)
        await store.close()


async def test_a_copy_taken_at_any_moment_holds_what_was_acknowledged(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "muster.db")
    chance = random.Random(3)
    told: list[int] = []

    async def writer() -> None:
        for number in range(1, 61):
            await store.write(lambda unit, n=number: unit.runs.add(a_run(f"r{n}", n)))  # type: ignore[misc]
            told.append(number)

    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(writer())
        copies = 0
        while not writing.done():
            before, copies = list(told), copies + 1
            await asyncio.to_thread(copied, tmp_path, tmp_path / f"copy{copies}", chance.randrange(64))
            again = await SqliteStore.open(tmp_path / f"copy{copies}" / "muster.db")
            there = {row.number for row in await again.read(lambda unit: unit.runs.latest(1000))}
            await again.close()
            assert set(before) <= there
    await store.close()
    assert copies > 2


def copied(source: Path, target: Path, torn: int) -> None:
    """The files as a power failure would leave them: the log's end torn, as nobody was told of it yet."""
    target.mkdir()
    for name in ("muster.db", "muster.db-wal"):
        shutil.copy(source / name, target / name)
    with (target / "muster.db-wal").open("ab") as log:
        log.write(b"\x37\x7f\x06\x82" * torn)


async def test_a_full_disk_is_said_and_harms_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 3000) as disk:
        store = await SqliteStore.open(disk / "muster.db")
        await store.write(lambda unit: unit.runs.add(a_run("r1", 1)))
        filler = fill(disk)
        with pytest.raises(Unavailable, match="full"):
            for number in range(2, 500):
                await store.write(lambda unit, n=number: unit.runs.add(a_run(f"r{n}", n, workflow="w" * 2000)))  # type: ignore[misc]
        there = len(await store.read(lambda unit: unit.runs.latest(1000)))
        assert there == number - 1
        filler.unlink()
        await store.write(lambda unit: unit.runs.add(a_run("after", 1000)))
        assert await store.read(lambda unit: unit.runs.get(RunId("after"))) is not None
        await store.close()
        with closing(sqlite3.connect(disk / "muster.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_failed_commit_fails_every_unit_that_shared_it(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "muster.db")
    await store.write(lambda unit: unit.runs.add(a_run("r1", 1)))
    size = (tmp_path / "muster.db-wal").stat().st_size
    with file_limit(size + 20_000):
        results = await asyncio.gather(
            store.write(lambda unit: unit.runs.add(a_run("r2", 2))),
            store.write(lambda unit: unit.catalog.put(a_document("large" + "x" * 100_000))),
            store.write(lambda unit: unit.runs.add(a_run("r3", 3))),
            return_exceptions=True,
        )
    there = {row.number for row in await store.read(lambda unit: unit.runs.latest(10))}
    assert isinstance(results[1], Unavailable)
    assert there == {1} | {number for number, result in ((2, results[0]), (3, results[2])) if result is None}
    await store.write(lambda unit: unit.runs.add(a_run("r4", 4)))
    await store.close()


async def test_a_unit_that_finds_the_database_unavailable_leaves_no_transaction_behind(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "muster.db")

    def work(unit: Unit) -> None:
        unit.runs.add(a_run("r1", 1))
        raise Unavailable("the disk does not answer")

    with pytest.raises(Unavailable, match="does not answer"):
        await store.write(work)
    await store.write(lambda unit: unit.runs.add(a_run("r2", 2)))
    assert [row.id for row in await store.read(lambda unit: unit.runs.latest(10))] == ["r2"]
    await store.close()


async def test_a_lock_of_another_program_is_waited_for_then_said(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "muster.db", busy_timeout=0.05)
    other = sqlite3.connect(tmp_path / "muster.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await store.write(lambda unit: unit.runs.add(a_run("r1", 1)))
    assert await store.read(lambda unit: unit.runs.get(RunId("r1"))) is None
    other.execute("ROLLBACK")
    other.close()
    await store.write(lambda unit: unit.runs.add(a_run("r1", 1)))
    await store.close()
