"""The journal on disk: whole, without gaps, bounded, readable after a crash."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.conductor.journal import Journal, left
from protos.codec.journal import unpack
from workflow.identifiers import Instant, StepRef
from workflow.journal import Output, Record, Stream


def output(data: bytes) -> Output:
    return Output(Instant(1), StepRef("1"), Stream.STDOUT, data)


def taken(journal: Journal, after: int) -> list[Record]:
    cursor = journal.cursor(after)
    found: list[Record] = []
    while some := cursor.take(100):
        assert [seq for seq, _ in some] == [unpack(packed).seq for _, packed in some]
        found += [unpack(packed) for _, packed in some]
    cursor.close()
    return found


async def test_what_is_written_is_read_from_any_place(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", segment=200)
    written = [await journal.write(output(bytes([number]) * 50)) for number in range(20)]
    assert [record.seq for record in written] == list(range(1, 21))
    for after in (0, 1, 7, 19, 20):
        assert taken(journal, after) == written[after:]
    assert list(left(tmp_path / "j", 5)) == written[5:]
    journal.close()


async def test_what_is_acknowledged_is_forgotten(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", segment=200)
    written = [await journal.write(output(b"x" * 50)) for _ in range(40)]
    reader = journal.cursor(0)
    first = reader.take(1)
    journal.forget(39)
    assert len(list((tmp_path / "j").iterdir())) == 1
    assert taken(journal, 39) == written[39:]
    assert first[0][0] == 1
    reader.close()
    journal.close()


async def test_too_much_that_is_not_acknowledged_stops_the_output(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", limit=1000, segment=200)
    while journal._room.is_set():
        await journal.write(output(b"x" * 50))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(journal.room(), 0.05)
    journal.forget(journal.last)
    await asyncio.wait_for(journal.room(), 1)
    journal.close()


async def test_a_full_disk_delays_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "j")
    await journal.write(output(b"before"))
    write, refusals = os.write, iter([4, 0, None])

    def full(descriptor: int, data: bytes) -> int:
        match next(refusals):
            case 4:
                return write(descriptor, bytes(data)[:4])  # half of it still fits
            case 0:
                raise OSError(errno.ENOSPC, "no space")
            case _:
                monkeypatch.setattr(os, "write", write)
                return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr("agent.conductor.journal._RETRY_FULL", 0.01)
    await journal.write(output(b"after"))
    assert [record.entry for record in left(tmp_path / "j", 0)] == [output(b"before"), output(b"after")]
    journal.close()


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=12), cut=st.integers(0, 2000))
def test_a_tail_cut_anywhere_is_no_record(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], cut: int) -> None:
    folder = tmp_path_factory.mktemp("j") / "j"

    async def filled() -> list[Record]:
        journal = Journal(folder, segment=400)
        written = [await journal.write(output(b"y" * size)) for size in sizes]
        journal.close()
        return written

    written = asyncio.run(filled())
    last = max(folder.iterdir())
    with last.open("r+b") as file:
        file.truncate(max(0, last.stat().st_size - cut))
    found = list(left(folder, 0))
    assert found == written[: len(found)]
    if cut == 0:
        assert found == written


async def test_on_a_full_disk_what_is_acknowledged_makes_room(tmp_path: Path) -> None:
    """A file that may not grow stands for the disk: only another one in its place can take the next record."""
    journal = Journal(tmp_path / "j")
    first = await journal.write(output(b"x" * 3000))
    reader = journal.cursor(0)
    assert len(reader.take(1)) == 1
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.append(output(b"y" * 3000))
        journal.forget(first.seq)
        async with asyncio.timeout(20):
            second = await journal.write(output(b"y" * 3000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert reader.take(1)[0][0] == second.seq
    assert list(left(tmp_path / "j", 1)) == [second]
    reader.close()
    journal.close()
