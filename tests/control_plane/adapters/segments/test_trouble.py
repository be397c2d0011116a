"""Full disks, failing disks, damaged files, a store that is away, two programs: what is said, and what stays right."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from control_plane.adapters.buckets import Bucket, BucketUnavailable
from control_plane.adapters.segments import SegmentJournals
from control_plane.adapters.segments.archive import Archive
from control_plane.ports.journals import JournalUnavailable
from control_plane.ports.opening import Unusable
from tests.contracts.journals.records import attempt, read_all, record, records, stored
from tests.control_plane.adapters.disks import file_limit, fill, small_disk


async def opened(folder: Path, *, salvage: bool = False, size: int = 64 * 1024 * 1024) -> SegmentJournals:
    """The journal in a folder."""
    return await SegmentJournals.open(folder / "wal", folder / "objects", segment_size=size, salvage=salvage)


async def both_ways(log: SegmentJournals, folder: Path, last: int) -> None:
    """What is there reads well now and after opening again."""
    assert await read_all(log) == stored(1, records(1, last))
    await log.close()
    again = await opened(folder)
    assert await again.last(attempt()) == last
    assert await read_all(again) == stored(1, records(1, last))
    await again.close()


async def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2000) as disk:
        log = await SegmentJournals.open(disk / "wal", tmp_path / "objects")
        await log.append(attempt(), records(1, 2))
        filler = fill(disk)
        for _ in range(3):
            with pytest.raises(JournalUnavailable, match="full"):
                await log.append(attempt(), records(3, 40, size=5000))
        assert await log.last(attempt()) == 2
        assert await read_all(log) == stored(1, records(1, 2))
        filler.unlink()
        assert await log.append(attempt(), records(3, 40, size=5000)) == 40
        assert await read_all(log) == stored(1, records(1, 2) + records(3, 40, size=5000))
        await log.close()
        again = await SegmentJournals.open(disk / "wal", tmp_path / "objects")
        assert await read_all(again) == stored(1, records(1, 2) + records(3, 40, size=5000))
        await again.close()


async def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    await log.append(attempt(), records(1, 2))
    (wal,) = (tmp_path / "wal").glob("*.wal")
    with file_limit(wal.stat().st_size + 10), pytest.raises(JournalUnavailable):
        await log.append(attempt(), records(3, 9))
    await log.append(attempt(), records(3, 4))
    await both_ways(log, tmp_path, 4)


async def test_a_write_that_fails_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = await opened(tmp_path)
    await log.append(attempt(), records(1, 2))
    real = os.pwritev

    def half(handle: int, buffers: list[bytes], at: int) -> int:
        real(handle, [b"".join(buffers)[:60]], at)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwritev", half)
    with pytest.raises(JournalUnavailable, match="Input/output"):
        await log.append(attempt(), records(3, 3))
    monkeypatch.undo()
    await log.append(attempt(), records(3, 4))
    await both_ways(log, tmp_path, 4)


async def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = await opened(tmp_path)
    real = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda handle, buffers, at: real(handle, [b"".join(buffers)[:7]], at))
    monkeypatch.setattr(os, "pwrite", lambda handle, data, at: real(handle, [data[:100]], at))
    await log.append(attempt(), records(1, 30))
    monkeypatch.undo()
    await both_ways(log, tmp_path, 30)


@pytest.mark.parametrize("truncation_works", [True, False])
async def test_an_fsync_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, truncation_works: bool) -> None:
    log = await opened(tmp_path)
    (tmp_path / "objects" / "journal").write_text("no folder: nothing is archived, so that all segments stay")
    await log.append(attempt(), records(1, 2))
    (first,) = (tmp_path / "wal").glob("*.wal")

    def failing(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    if not truncation_works:
        monkeypatch.setattr(os, "ftruncate", failing)
    for _ in range(2):
        with pytest.raises(JournalUnavailable, match="Input/output"):
            await log.append(attempt(), [record(3, b"never acknowledged")])
    assert await log.last(attempt()) == 2
    monkeypatch.undo()
    left = first.stat().st_size
    await log.append(attempt(), records(3, 4))
    assert first.stat().st_size == left, "a file whose fsync failed is written to no more"
    (tmp_path / "objects" / "journal").unlink()
    monkeypatch.setattr(Archive, "store", failing)
    await both_ways(log, tmp_path, 4)


async def test_nothing_is_acknowledged_or_shown_before_its_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await opened(tmp_path)
    await log.append(attempt(), records(1, 1))
    reached, allowed = threading.Event(), threading.Event()

    def slow(_: int) -> None:
        reached.set()
        allowed.wait()

    monkeypatch.setattr(os, "fdatasync", slow)
    async with asyncio.TaskGroup() as tasks:
        append = tasks.create_task(log.append(attempt(), records(2, 2)))
        await asyncio.to_thread(reached.wait)
        assert await read_all(log) == stored(1, records(1, 1))
        assert await log.last(attempt()) == 1
        assert not append.done()
        allowed.set()
    assert append.result() == 2
    monkeypatch.undo()
    await both_ways(log, tmp_path, 2)


async def test_a_segment_stays_until_its_objects_are_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bool] = []
    real = Bucket.make_durable

    def failing_once(bucket: Bucket, keys: Sequence[str]) -> None:
        kept.append((tmp_path / "wal" / "0000000000000001.wal").exists())
        if len(kept) == 1:
            raise BucketUnavailable("not yet")
        real(bucket, keys)

    monkeypatch.setattr(Bucket, "make_durable", failing_once)
    log = await opened(tmp_path, size=100)
    for seq in (1, 2):
        await log.append(attempt(), records(seq, seq))
    await log.archived()
    assert kept == [True, True]
    assert not (tmp_path / "wal" / "0000000000000001.wal").exists()
    await both_ways(log, tmp_path, 2)


async def test_a_damaged_segment_is_refused_then_salvaged(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    for seq in range(1, 6):
        await log.append(attempt(), [record(seq)])
    await log.close()
    (wal,) = (tmp_path / "wal").glob("*.wal")
    data = wal.read_bytes()
    broken = data.replace(b"line 3", b"LINE 3")
    wal.write_bytes(broken)
    with pytest.raises(Unusable, match=r"damaged: .*1 of 1 frames in batch 3.*salvage"):
        await opened(tmp_path)
    assert wal.read_bytes() == broken
    log = await opened(tmp_path, salvage=True)
    assert [one.position.seq for one in await read_all(log)] == [1, 2, 4, 5]
    await log.archived()
    assert [one.position.seq for one in await read_all(log)] == [1, 2, 4, 5]
    assert wal.with_suffix(".damaged").read_bytes() == broken
    await log.close()
    await (await opened(tmp_path)).close()


async def test_a_segment_that_is_missing_or_headless_is_named(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("no folder: nothing can be archived")
    with pytest.raises(Unusable):
        await opened(tmp_path)
    (tmp_path / "objects").unlink()
    log = await opened(tmp_path, size=100)
    (tmp_path / "objects" / "journal").write_text("no folder: nothing can be archived")
    for seq in range(1, 6):
        await log.append(attempt(), [record(seq)])
    await log.close()
    paths = sorted((tmp_path / "wal").glob("*.wal"))
    held = paths[2].read_bytes()
    paths[2].unlink()
    with pytest.raises(Unusable, match="batches 3 to 3 are missing"):
        await opened(tmp_path)
    paths[2].write_bytes(b"?" + held[1:])
    with pytest.raises(Unusable, match="no readable header"):
        await opened(tmp_path)
    paths[2].write_bytes(held)
    (tmp_path / "objects" / "journal").unlink()
    log = await opened(tmp_path)
    assert await read_all(log) == stored(1, [record(seq) for seq in range(1, 6)])
    await log.close()


async def test_a_segment_that_is_damaged_while_we_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = await opened(tmp_path)
    for seq in range(1, 4):
        await log.append(attempt(), [record(seq)])
    (wal,) = (tmp_path / "wal").glob("*.wal")
    place = wal.read_bytes().index(b"line 2")
    with wal.open("r+b") as file:
        file.seek(place)
        file.write(b"LINE")
    with pytest.raises(JournalUnavailable, match="damaged"):
        await read_all(log)
    await log.close()


async def test_a_damaged_object_is_said(tmp_path: Path) -> None:
    log = await opened(tmp_path, size=100)
    await log.append(attempt(), records(1, 2))
    await log.append(attempt("e2"), records(1, 2))
    await log.archived()
    (path,) = (tmp_path / "objects" / "journal" / "e1").iterdir()
    path.write_bytes(path.read_bytes().replace(b"line 2", b"LINE 2"))
    with pytest.raises(
        JournalUnavailable, match=r"journal/e1/0000000001\.00000000000000000001-[0-9a-f]{12} is damaged"
    ):
        await read_all(log, "e1")
    path.write_bytes(b"short")
    assert await log.append(attempt(), records(3, 3)) == 3
    await log.close()
    log = await opened(tmp_path)
    with pytest.raises(JournalUnavailable, match="too short"):
        await read_all(log, "e1")
    await log.close()


async def test_a_store_that_is_away_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = await opened(tmp_path, size=100)
    blocker = tmp_path / "objects" / "journal"
    blocker.write_text("no folder: nothing can be archived")
    for seq in range(1, 6):
        await log.append(attempt("e1", 2), [record(seq)])
    assert await log.last(attempt("e1", 2)) == 5
    while "is not archived yet" not in caplog.text:
        await log.append(attempt("e1", 2), records(1, 1))
    blocker.unlink()
    await log.archived()
    assert await read_all(log) == stored(2, [record(seq) for seq in range(1, 6)])
    assert len(list((tmp_path / "wal").glob("*.wal"))) <= 2
    await log.close()


async def test_without_the_store_new_attempts_are_taken_and_nothing_is_doubled(tmp_path: Path) -> None:
    log = await opened(tmp_path, size=100)
    for first in (1, 11):
        await log.append(attempt("old"), records(first, first + 9))
    await log.append(attempt("other"), records(1, 1))
    await log.close()
    log = await opened(tmp_path, size=100)
    await log.archived()
    (tmp_path / "objects" / "journal").rename(tmp_path / "away")
    (tmp_path / "objects" / "journal").write_text("no folder")
    assert await log.append(attempt("new"), records(1, 3)) == 3
    with pytest.raises(JournalUnavailable):
        await log.append(attempt("old"), records(21, 22))
    assert await log.append(attempt("old"), records(1, 5)) == 5
    (tmp_path / "objects" / "journal").unlink()
    (tmp_path / "away").rename(tmp_path / "objects" / "journal")
    for _ in range(2):
        assert await read_all(log, "old") == stored(1, records(1, 20))
        assert await read_all(log, "new") == stored(1, records(1, 3))
        await log.close()
        log = await opened(tmp_path, size=100)
        await log.archived()
    assert await log.append(attempt("old"), records(15, 21)) == 21
    await log.close()


async def test_two_programs_do_not_share_a_journal(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    with pytest.raises(Unusable, match="another process"):
        await opened(tmp_path)
    await log.close()
    await (await opened(tmp_path)).close()
