"""What was acknowledged is there, once and in order, after a kill at any moment, a torn tail, and a crash between any
two steps of archiving."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from control_plane.adapters.buckets import BucketUnavailable
from control_plane.adapters.segments import SegmentJournals
from control_plane.adapters.segments.archive import Archive, Run
from control_plane.ports.journals import JournalLog
from tests.contracts.journals.records import attempt, read_all, record, records, stored
from tests.control_plane.adapters.disks import acknowledged_until_killed
from tests.control_plane.adapters.segments.writers import WRITERS
from workflow.identifiers import ExecutionId
from workflow.journal import Record


async def opened(folder: Path, size: int = 64 * 1024 * 1024) -> SegmentJournals:
    """The journal in a folder."""
    return await SegmentJournals.open(folder / "wal", folder / "objects", segment_size=size)


@contextmanager
def archiver_held(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Meanwhile it stores and deletes nothing; afterwards it goes on."""
    free, store, delete = threading.Event(), Archive.store, Archive.delete

    def stored_later(archive: Archive, execution: str, segment: str, runs: Iterable[Run], size: int) -> str | None:
        free.wait()
        return store(archive, execution, segment, runs, size)

    def deleted_later(archive: Archive, execution: str) -> None:
        free.wait()
        delete(archive, execution)

    monkeypatch.setattr(Archive, "store", stored_later)
    monkeypatch.setattr(Archive, "delete", deleted_later)
    try:
        yield
    finally:
        free.set()


@pytest.mark.timeout(180)
async def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    told = {f"e{writer}": 0 for writer in range(WRITERS)}
    for lines in (1, 3, 60, 300, 900):
        printed = await asyncio.to_thread(
            acknowledged_until_killed, "tests.control_plane.adapters.segments.writers", [str(tmp_path)], lines
        )
        for line in printed:
            name, number = line.split()
            told[name] = max(told[name], int(number))
        log = await opened(tmp_path)
        for name, seq in told.items():
            last = await log.last(attempt(name))
            assert last >= seq
            assert [one.position.seq for one in await read_all(log, name, limit=100_000)] == list(range(1, last + 1))
        await log.close()


async def test_a_tail_torn_at_every_byte(tmp_path: Path) -> None:
    log = await opened(tmp_path / "origin")
    await log.append(attempt(), records(1, 3))
    (wal,) = (tmp_path / "origin" / "wal").glob("*.wal")
    durable = wal.stat().st_size
    await log.append(attempt(), records(4, 4))
    whole = wal.stat().st_size
    await log.close()
    for cut in range(durable, whole + 1):
        folder = tmp_path / "torn"
        shutil.copytree(tmp_path / "origin", folder)
        (torn,) = (folder / "wal").glob("*.wal")
        with torn.open("r+b") as file:
            file.truncate(cut)
        log = await opened(folder)
        count = 4 if cut == whole else 3
        assert await log.last(attempt()) == count
        assert await log.append(attempt(), records(count + 1, 5)) == 5
        assert await read_all(log) == stored(1, records(1, 5))
        await log.close()
        shutil.rmtree(folder)


async def grown(log: JournalLog, until: int = 12) -> None:
    """Two executions, a record at a time."""
    for seq in range(1, until + 1):
        await log.append(attempt("e1"), [record(seq)])
        await log.append(attempt("e2"), [record(seq)])


async def test_a_crash_between_archiving_and_deleting_doubles_nothing(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    await grown(log)
    await log.close()
    shutil.copytree(tmp_path / "wal", tmp_path / "kept")
    for _ in range(2):
        log = await opened(tmp_path)
        await log.archived()
        await log.close()
        assert list((tmp_path / "objects").rglob("journal/e1/*"))
        shutil.rmtree(tmp_path / "wal")
        shutil.copytree(tmp_path / "kept", tmp_path / "wal")  # as if the deletion had not happened
    log = await opened(tmp_path)
    for name in ("e1", "e2"):
        assert await read_all(log, name, limit=200) == stored(1, records_one_by_one(12))
        assert await log.last(attempt(name)) == 12
        assert await log.append(attempt(name), records(12, 13)) == 13
    await log.close()


async def test_a_crash_between_two_objects_loses_nothing(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    await grown(log)
    await log.close()
    shutil.copytree(tmp_path / "wal", tmp_path / "kept")
    log = await opened(tmp_path)
    await log.archived()
    await log.close()
    shutil.rmtree(tmp_path / "wal")
    shutil.copytree(tmp_path / "kept", tmp_path / "wal")
    shutil.rmtree(tmp_path / "objects" / "journal" / "e2")  # as if only the first object had been written
    log = await opened(tmp_path)
    for name in ("e1", "e2"):
        assert await read_all(log, name) == stored(1, records_one_by_one(12))
    await log.archived()
    for name in ("e1", "e2"):
        assert await read_all(log, name) == stored(1, records_one_by_one(12))
    await log.close()


async def test_a_crash_after_a_removal_does_not_bring_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = await opened(tmp_path, size=300)
    await grown(log)
    await log.archived()
    shutil.copytree(tmp_path / "objects", tmp_path / "objects before")
    with archiver_held(monkeypatch):  # as it stands at that moment, and no file goes while it is copied
        await log.remove(ExecutionId("e1"))
        shutil.copytree(tmp_path / "wal", tmp_path / "wal before")
    await log.close()
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    shutil.copytree(tmp_path / "wal before", crashed / "wal")
    shutil.copytree(tmp_path / "objects before", crashed / "objects")
    for _ in range(2):
        log = await opened(crashed)
        assert await read_all(log, "e1") == []
        assert await log.last(attempt("e1")) == 0
        assert await read_all(log, "e2") == stored(1, records_one_by_one(12))
        await log.archived()
        assert not list((crashed / "objects").rglob("journal/e1/*"))
        await log.close()


async def test_many_restarts_while_nothing_is_archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise BucketUnavailable("the store is away")

    monkeypatch.setattr(Archive, "store", away)
    for seq in range(1, 6):
        log = await opened(tmp_path)
        await log.append(attempt(), records(seq, seq))
        assert await read_all(log) == stored(1, [one for n in range(1, seq + 1) for one in records(n, n)])
        await log.close()
    assert len(list((tmp_path / "wal").glob("*.wal"))) == 5


@pytest.mark.parametrize("archived", [False, True])
async def test_the_last_number_of_each_attempt_is_found_again(tmp_path: Path, archived: bool) -> None:
    log = await opened(tmp_path)
    for number, last in ((1, 7), (2, 3), (4, 5)):
        await log.append(attempt("e1", number), records(1, last))
    await log.append(attempt("e1", 1), records(8, 9))
    await log.close()
    log = await opened(tmp_path)
    if archived:
        await log.archived()
    assert [await log.last(attempt("e1", number)) for number in range(1, 6)] == [9, 3, 0, 5, 0]
    await log.close()


async def test_many_restarts_leave_no_litter(tmp_path: Path) -> None:
    for seq in range(1, 6):
        log = await opened(tmp_path)
        await log.append(attempt(), [record(seq)])
        await log.archived()
        await log.close()
    for _ in range(3):
        log = await opened(tmp_path)
        assert await read_all(log) == stored(1, records_one_by_one(5))
        await log.archived()
        await log.close()
    assert sorted(path.suffix or path.name for path in (tmp_path / "wal").iterdir()) == [".wal", "LOCK"]


def records_one_by_one(count: int) -> list[Record]:
    """What ``grown`` appends."""
    return [record(seq) for seq in range(1, count + 1)]
