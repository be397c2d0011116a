"""Figures of the storage adapters beside their floors, on this machine, in one run: ``python -m tests.bench.storage
[folder]``.

Floors: a bare SQLite commit with the same settings; a bare append with fdatasync. Each is measured in turns with what
it is compared to, since a shared disk changes from second to second. The folder should lie on the disk that is meant.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles

from control_plane.adapters.segments import SegmentJournals
from control_plane.adapters.sqlite import SqliteStore
from control_plane.ports.journals import Position
from control_plane.ports.store import Unit
from tests.contracts.store.rows import a_plan, a_run, an_entry, an_execution
from workflow.identifiers import Attempt, ExecutionId, Instant, StepRef
from workflow.journal import Output, Record, Stream

CHUNK = 256 * 1024
LINE = 140
WRITERS = 20


def say(name: str, figure: str) -> None:
    """One line of the table."""
    sys.stdout.write(f"  {name:<58}{figure}\n")


def spread(seconds: list[float]) -> str:
    """p50 and p99."""
    return f"p50 {median(seconds) * 1e6:7.0f} us   p99 {quantiles(seconds, n=100)[98] * 1e6:7.0f} us"


def timed(work: Callable[[int], object], count: int) -> list[float]:
    """How long each call took."""
    taken = []
    for number in range(count):
        begin = time.perf_counter()
        work(number)
        taken.append(time.perf_counter() - begin)
    return taken


async def timed_async(work: Callable[[int], Awaitable[object]], count: int) -> list[float]:
    """How long each call took."""
    taken = []
    for number in range(count):
        begin = time.perf_counter()
        await work(number)
        taken.append(time.perf_counter() - begin)
    return taken


def bare(folder: Path) -> sqlite3.Connection:
    """A database with the store's settings, and nothing else."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)")
    return connection


def commit(connection: sqlite3.Connection) -> None:
    """The floor of a write: one row."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t (body) VALUES (?)", ("x" * 200,))
    connection.execute("COMMIT")


def moving(ident: str, seq: int) -> Callable[[Unit], None]:
    """What one journal batch does to the store: an execution read and replaced, an entry added."""

    def work(unit: Unit) -> None:
        row = unit.executions.get(ExecutionId(ident))
        assert row is not None
        unit.executions.put(row)
        unit.entries.add([an_entry(seq, ident)])

    return work


async def store(folder: Path) -> None:
    """Latency of one writer; throughput of fifty."""
    connection = bare(folder)
    opened = await SqliteStore.open(folder / "muster.db")

    def ground(unit: Unit) -> None:
        unit.runs.add(a_run())
        for number in range(50):
            unit.executions.add(an_execution(f"e{number}"), a_plan(f"e{number}"))

    await opened.write(ground)
    floor: list[float] = []
    one: list[float] = []
    for turn in range(20):
        floor += timed(lambda _: commit(connection), 50)
        one += await timed_async(lambda n, first=turn * 50: opened.write(moving("e0", first + n)), 50)  # type: ignore[misc]
    connection.close()
    say("bare sqlite3 commit (WAL, FULL)", f"{spread(floor)}   {len(floor) / sum(floor):7.0f}/s")
    say("Store.write (get, put, entry), one writer", f"{spread(one)}   {median(one) / median(floor):5.2f} x bare")
    reads = await timed_async(lambda n: opened.read(lambda unit: unit.executions.get(ExecutionId("e1"))), 2000)
    say("Store.read (get)", spread(reads))
    taken: list[float] = []

    async def writer(number: int) -> None:
        taken.extend(await timed_async(lambda n: opened.write(moving(f"e{number}", 5000 + n)), 60))

    begin = time.perf_counter()
    await asyncio.gather(*(writer(number) for number in range(50)))
    say("Store.write, 50 writers", f"{spread(taken)}   {3000 / (time.perf_counter() - begin):7.0f}/s")
    await opened.close()


def bare_append(folder: Path, size: int, count: int) -> float:
    """The floor of ingest: append a chunk, fdatasync, again. Bytes a second."""
    handle = os.open(folder / "bare.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    chunk = b"x" * size
    begin = time.perf_counter()
    for _ in range(count):
        os.write(handle, chunk)
        os.fdatasync(handle)
    took = time.perf_counter() - begin
    os.close(handle)
    return size * count / took


async def journals(folder: Path) -> None:
    """Twenty writers append chunks of lines; then all is read back."""
    before = bare_append(folder, CHUNK, 400)
    log = await SegmentJournals.open(folder / "wal", folder / "objects")
    lines = (b"y" * (LINE - 1) + b"\n") * (CHUNK // LINE)
    each = 100

    async def writer(number: int) -> None:
        attempt = Attempt(ExecutionId(f"e{number}"), 1)
        for seq in range(1, each + 1):
            await log.append(attempt, [Record(seq, Output(Instant(seq), StepRef("1"), Stream.STDOUT, lines))])

    begin, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*(writer(number) for number in range(WRITERS)))
    took, used = time.perf_counter() - begin, time.process_time() - busy
    total = WRITERS * each * len(lines)
    await log.archived()
    archived = time.perf_counter() - begin - took
    floor = (before + bare_append(folder, CHUNK, 400)) / 2
    say("bare append of 256 KiB + fdatasync (before and after)", f"{floor / 1e6:7.1f} MB/s")
    say(
        f"JournalLog.append, {WRITERS} writers, 256 KiB of 140-byte lines",
        f"{total / took / 1e6:7.1f} MB/s   {total / LINE / took / 1e3:6.0f} k lines/s   "
        f"{total / took / floor:4.2f} x bare   {used / took:4.2f} cores",
    )
    say("until sealed segments are archived, afterwards", f"{archived:7.2f} s")
    small = await timed_async(
        lambda n: log.append(
            Attempt(ExecutionId("small"), 1),
            [Record(n + 1, Output(Instant(1), StepRef("1"), Stream.STDOUT, b"line\n"))],
        ),
        500,
    )
    say("JournalLog.append of one line, one writer", spread(small))
    begin, size = time.perf_counter(), 0
    for number in range(WRITERS):
        after = Position()
        while page := await log.read(ExecutionId(f"e{number}"), after):
            size += sum(len(one.record.entry.data) for one in page if isinstance(one.record.entry, Output))
            after = page[-1].position
    assert size == total, (size, total)
    say("JournalLog.read, everything, one reader", f"{size / (time.perf_counter() - begin) / 1e6:7.1f} MB/s")
    await log.close()


async def main(folder: Path) -> None:
    """All of it."""
    sys.stdout.write("store\n")
    await store(folder)
    sys.stdout.write("journals\n")
    await journals(folder)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as made:
        asyncio.run(main(Path(made)))
