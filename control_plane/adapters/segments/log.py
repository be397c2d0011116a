"""The JournalLog port on segment files and an archive. Called by the assembly; the services know it as
control_plane.ports.journals.

Appending: records are packed here, wait for the writer's next batch, and are answered when its fsync is done.
Reading: in a few threads, from segments and archive together. Memory holds where things lie, not what they are.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from control_plane.adapters.batching import Batcher
from control_plane.adapters.buckets import Bucket, BucketUnavailable
from control_plane.adapters.segments.archive import Archive
from control_plane.adapters.segments.archiver import Archiver
from control_plane.adapters.segments.frames import LENGTH, MAX_PAYLOAD, Draft, Frame, Kind, frame_size, payload_of
from control_plane.adapters.segments.index import Index
from control_plane.adapters.segments.pieces import Packed, Piece, Source, merged
from control_plane.adapters.segments.recovery import lock, recover
from control_plane.adapters.segments.segment import Damaged, Segment
from control_plane.adapters.segments.writer import Append, Writer
from control_plane.ports.journals import JournalGap, JournalUnavailable, Position, Stored
from control_plane.ports.opening import Unusable
from protos.codec.journal import pack, unpack
from workflow.identifiers import Attempt, ExecutionId
from workflow.journal import Record

T = TypeVar("T")

SEGMENT_SIZE = 64 * 1024 * 1024
"""Bytes after which a segment is sealed."""
_MAX_BATCH = 8 * 1024 * 1024  # bytes in one fsync
_READERS = 4
_REMEMBERED = 8192  # attempts whose last number is kept at hand


class SegmentJournals:
    """The JournalLog port. Made by ``open``."""

    def __init__(self, directory: Path, bucket: Bucket, segment_size: int, held: int, *, salvage: bool) -> None:
        self._held = held
        self._index = Index()
        recovered = recover(directory, self._index, salvage=salvage)
        self._archive = Archive(bucket)
        active = Segment.create(directory, recovered.next_segment, recovered.next_batch)
        self._archiver = Archiver(self._archive, self._index)
        for execution in recovered.removed:
            self._archive.hide(execution)
            self._archiver.delete(execution)
        for segment in recovered.segments:
            self._archiver.split(segment)
        self._writer = Writer(directory, self._index, active, segment_size, self._archiver.split)
        self._batcher: Batcher[Append] = Batcher("journal-write", self._writer.perform, _MAX_BATCH, _closed_error)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="journal-read")
        self._lasts: OrderedDict[Attempt, int] = OrderedDict()
        self._flights: dict[Attempt, asyncio.Future[object]] = {}
        self._closed = False

    @classmethod
    async def open(
        cls, directory: Path, objects: Path | str, *, segment_size: int = SEGMENT_SIZE, salvage: bool = False
    ) -> SegmentJournals:
        """Open the journal in ``directory``; sealed segments go to ``objects``, a folder or a URL
        (control_plane.adapters.buckets).

        Unusable: another process has it, or something durable cannot be read; ``salvage`` goes on without that, and
        says so in the log.
        """
        return await asyncio.to_thread(_opened, cls, directory, objects, segment_size, salvage=salvage)

    async def append(self, attempt: Attempt, records: Sequence[Record]) -> int:
        """As the port says. Who is cancelled meanwhile leaves it open whether the records are stored."""
        await self._landed(attempt)
        last = await self._last_before(attempt, records)
        fresh = [record for record in records if record.seq > last]
        for due, record in enumerate(fresh, start=last + 1):
            if record.seq != due:
                raise JournalGap(f"{attempt}: record {record.seq} came where {due} was due")
        if not fresh:
            return last
        drafts = tuple(_drafts(attempt, fresh))
        flight = self._batcher.submit(Append(drafts, fresh[-1].seq), sum(map(frame_size, drafts)))
        self._flights[attempt] = flight
        flight.add_done_callback(partial(self._land, attempt))
        return cast("int", await asyncio.shield(flight))

    async def _last_before(self, attempt: Attempt, records: Sequence[Record]) -> int:
        """What is stored already. An attempt's beginning is taken also where the archive cannot be asked: should it
        be there after all, readers pass over what they see twice."""
        try:
            return await self.last(attempt)
        except JournalUnavailable:
            if self._closed or not records or records[0].seq != 1:
                raise
            return 0

    async def last(self, attempt: Attempt) -> int:
        """As the port says. JournalUnavailable where the archive cannot be asked."""
        known = self._lasts.get(attempt)
        if known is None:
            known = await self._in_thread(self._last, attempt)
            self._remember(attempt, known)
        else:
            self._lasts.move_to_end(attempt)
        return known

    async def read(self, execution: ExecutionId, after: Position, *, limit: int = 1024 * 1024) -> Sequence[Stored]:
        """As the port says. JournalUnavailable where it cannot be read now, or is damaged."""
        return await self._in_thread(self._read, execution, after, limit)

    async def remove(self, execution: ExecutionId) -> None:
        """As the port says. The archived objects go a little later, but are read no more."""
        for attempt in [attempt for attempt in self._flights if attempt.execution == execution]:
            await self._landed(attempt)
        word = Draft(Kind.REMOVED, execution, 0, 0, 0, b"")
        await self._batcher.submit(Append((word,), 0), frame_size(word))
        self._archive.hide(execution)
        self._archiver.delete(execution)
        for attempt in [attempt for attempt in self._lasts if attempt.execution == execution]:
            del self._lasts[attempt]

    async def archived(self) -> None:
        """Return when every segment that is sealed by now is archived, and every removal carried out."""
        await self._in_thread(self._archiver.caught_up().wait)

    async def close(self) -> None:
        """As the port says. May be called again."""
        if self._closed:
            return
        self._closed = True
        await self._batcher.close()
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        self._readers.shutdown()
        self._archiver.stop()
        self._writer.close()
        os.close(self._held)

    async def _landed(self, attempt: Attempt) -> None:
        """Wait for what a cancelled caller left under way."""
        flight = self._flights.get(attempt)
        if flight is not None:
            await asyncio.wait([flight])

    def _land(self, attempt: Attempt, flight: asyncio.Future[object]) -> None:
        if self._flights.get(attempt) is flight:
            del self._flights[attempt]
        if not flight.cancelled() and flight.exception() is None:
            self._remember(attempt, cast("int", flight.result()))

    def _remember(self, attempt: Attempt, last: int) -> None:
        self._lasts[attempt] = max(last, self._lasts.get(attempt, 0))
        self._lasts.move_to_end(attempt)
        while len(self._lasts) > _REMEMBERED:
            self._lasts.popitem(last=False)

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        if self._closed:
            raise _closed_error()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, work, *args)
        except (BucketUnavailable, Damaged) as error:
            raise JournalUnavailable(f"the journal cannot be read now: {error}") from error

    def _last(self, attempt: Attempt) -> int:
        in_segments = self._index.last(attempt.execution, attempt.number)
        return in_segments or self._archive.last(attempt.execution, attempt.number)

    def _read(self, execution: ExecutionId, after: Position, limit: int) -> Sequence[Stored]:
        held = self._index.retained(
            execution, after, limit
        )  # before the archive is asked: what moves meanwhile is seen twice, not never
        try:
            sources = [_source(segment, frames, complete) for segment, frames, complete in held]
            sources += self._archive.sources(execution, after, limit)
            packed = merged(sources, after, limit)
        finally:
            for segment, _, _ in held:
                segment.release()
        return [_stored(one) for one in packed]


def _opened(
    cls: type[SegmentJournals], directory: Path, objects: Path | str, segment_size: int, *, salvage: bool
) -> SegmentJournals:
    try:
        held = lock(directory)
        try:
            return cls(directory, Bucket.open(objects), segment_size, held, salvage=salvage)
        except BaseException:
            os.close(held)
            raise
    except OSError as error:
        raise Unusable(f"the journal {directory} cannot be opened: {error.strerror or error}") from error
    except BucketUnavailable as error:
        raise Unusable(f"the store for sealed journals cannot be opened: {error}") from error


def _drafts(attempt: Attempt, records: Sequence[Record]) -> Iterator[Draft]:
    """The records as frames of bounded size."""
    waiting: list[bytes] = []
    first, size = records[0].seq, 0
    for record in records:
        data = pack(record)
        if waiting and size + LENGTH.size + len(data) > MAX_PAYLOAD:
            yield _draft(attempt, first, waiting)
            waiting, first, size = [], record.seq, 0
        waiting.append(data)
        size += LENGTH.size + len(data)
    yield _draft(attempt, first, waiting)


def _draft(attempt: Attempt, first: int, packed: Sequence[bytes]) -> Draft:
    return Draft(Kind.RECORDS, attempt.execution, attempt.number, first, len(packed), payload_of(packed))


def _source(segment: Segment, frames: Sequence[Frame], complete: bool) -> Source:
    pieces = [Piece(frame.attempt, frame.first, frame.count, partial(segment.payload, frame)) for frame in frames]
    return Source(pieces, complete)


def _stored(packed: Packed) -> Stored:
    position, data = packed
    return Stored(position, unpack(data))


def _closed_error() -> Exception:
    return JournalUnavailable("the journal is closed")
