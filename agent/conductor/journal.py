"""The journal on disk: appended before anything is sent, forgotten up to what is acknowledged.

Called by the conductor (one writer, one cursor at a time) and, once a conductor is dead, by its executor through
``left``. It must not know what the entries mean.

On disk: segments named by the number of their first record; in each, a 4-byte big-endian length and the packed record,
again and again. Numbers have no gaps, so a record's number is its segment's name and its place. A tail cut by a crash
is no record. Nothing is synced: the promise is to survive the death of processes, not of the machine.
"""

from __future__ import annotations

import asyncio
import errno
import os
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from protos.codec.journal import pack, unpack
from workflow.journal import Entry, Record
from workflow.session import MAX_MESSAGE

LIMIT = 256 * 1024 * 1024
"""Bytes on disk that are not acknowledged, above which steps' output is read no further."""

_SEGMENT = 8 * 1024 * 1024
_LENGTH = struct.Struct(">I")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_RETRY_FULL = 0.5  # seconds; a disk gives no signal when it has room again


@dataclass(slots=True)
class _Segment:
    first: int
    path: Path
    size: int = 0
    count: int = 0


class Journal:
    """The journal of one attempt, being written."""

    def __init__(self, folder: Path, *, limit: int = LIMIT, segment: int = _SEGMENT) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self._limit, self._segment = limit, min(segment, max(1, limit // 4))
        self._segments: deque[_Segment] = deque()
        self._writing: int | None = None
        self._bytes = 0
        self._grown, self._room = asyncio.Event(), asyncio.Event()
        self._settled: list[tuple[int, asyncio.Event]] = []
        self._room.set()
        self.last = 0
        self.acknowledged = 0

    async def write(self, entry: Entry) -> Record:
        """Append ``entry``. Waits, without losing it, while the disk is full."""
        while True:
            try:
                return self.append(entry)
            except OSError as problem:
                if problem.errno not in _FULL:
                    raise
                if not self._gave_back():
                    await asyncio.sleep(_RETRY_FULL)

    def append(self, entry: Entry) -> Record:
        """Append ``entry`` now, or leave everything as it was and raise OSError."""
        record = Record(self.last + 1, entry)
        packed = pack(record)
        segment, descriptor = self._open()
        _append(descriptor, segment.size, _LENGTH.pack(len(packed)) + packed)
        self._bytes += _LENGTH.size + len(packed)
        segment.size += _LENGTH.size + len(packed)
        segment.count += 1
        self.last = record.seq
        self._grown.set()
        if self._bytes >= self._limit:
            self._room.clear()
        return record

    def forget(self, seq: int) -> None:
        """Everything up to ``seq`` is durable elsewhere."""
        self.acknowledged = max(self.acknowledged, min(seq, self.last))
        while len(self._segments) > 1 and self._segments[1].first <= self.acknowledged + 1:
            gone = self._segments.popleft()
            self._bytes -= gone.size
            gone.path.unlink(missing_ok=True)
        if self._bytes < self._limit or self.acknowledged == self.last:
            self._room.set()
        for awaited, event in self._settled:
            if awaited <= self.acknowledged:
                event.set()

    async def settled(self, seq: int) -> None:
        """Wait until ``seq`` is acknowledged."""
        if self.acknowledged < seq:
            waiting = (seq, asyncio.Event())
            self._settled.append(waiting)
            try:
                await waiting[1].wait()
            finally:
                self._settled.remove(waiting)

    async def room(self) -> None:
        """Wait until there is room for more output."""
        await self._room.wait()

    async def beyond(self, seq: int) -> None:
        """Wait until there is a record with a higher number than ``seq``."""
        while self.last <= seq:
            self._grown.clear()
            await self._grown.wait()

    def cursor(self, after: int) -> Cursor:
        """A reader of the records with numbers above ``after``, which must not be forgotten yet."""
        return Cursor(self._segments, after)

    def close(self) -> None:
        """Close the file."""
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None

    def _gave_back(self) -> bool:
        """Whether the disk got room back from what is written and all acknowledged already."""
        if not self._segments or self.acknowledged < self.last:
            return False
        self.close()
        gone = self._segments.pop()
        self._bytes -= gone.size
        gone.path.unlink(missing_ok=True)
        return True

    def _open(self) -> tuple[_Segment, int]:
        """The segment that takes the next record, and its descriptor."""
        if self._writing is not None and self._segments[-1].size < self._segment:
            return self._segments[-1], self._writing
        path = self._folder / f"{self.last + 1:020d}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self.close()
        self._writing = descriptor
        self._segments.append(_Segment(self.last + 1, path))
        return self._segments[-1], descriptor


class Cursor:
    """Reads on from a place. Forgetting what it has read does not disturb it."""

    def __init__(self, segments: deque[_Segment], after: int) -> None:
        self._segments = segments
        self._next = after + 1
        self._at: _Segment | None = None
        self._file: int | None = None
        self._offset = 0

    def take(self, limit: int) -> list[tuple[int, bytes]]:
        """The next records (number, packed) that are there, about ``limit`` bytes, at least one if there is one."""
        taken: list[tuple[int, bytes]] = []
        size = 0
        while size < limit and (packed := self._record()) is not None:
            taken.append((self._next - 1, packed))
            size += len(packed)
        return taken

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _record(self) -> bytes | None:
        segment = self._at
        if segment is None or self._next >= segment.first + segment.count:
            segment = self._turn()
            if segment is None:
                return None
        assert self._file is not None
        (length,) = _LENGTH.unpack(os.pread(self._file, _LENGTH.size, self._offset))
        packed = os.pread(self._file, length, self._offset + _LENGTH.size)
        self._offset += _LENGTH.size + length
        self._next += 1
        return packed

    def _turn(self) -> _Segment | None:
        """Open the segment that holds the next record, at it."""
        for segment in self._segments:
            if segment.first <= self._next < segment.first + segment.count:
                break
        else:
            return None
        if segment is not self._at:
            self.close()
            self._file = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
            self._at, self._offset = segment, 0
            for _ in range(self._next - segment.first):
                (length,) = _LENGTH.unpack(os.pread(self._file, _LENGTH.size, self._offset))
                self._offset += _LENGTH.size + length
        return segment


def left(folder: Path, after: int) -> Iterator[Record]:
    """The records above ``after`` that a dead conductor left in ``folder``: in order, no gaps, as far as they are
    whole."""
    expected = after + 1
    for path in sorted(folder.glob("[0-9]*")) if folder.is_dir() else []:
        with path.open("rb") as file:
            while record := _next_of(file):
                if record.seq > expected:
                    return
                if record.seq == expected:
                    yield record
                    expected += 1


def _next_of(file: BinaryIO) -> Record | None:
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    packed = file.read(length) if length <= MAX_MESSAGE else b""
    return unpack(packed) if packed and len(packed) == length else None


def _append(descriptor: int, size: int, data: bytes) -> None:
    """Write all of ``data`` at the end, or nothing."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        os.ftruncate(descriptor, size)
        os.lseek(descriptor, size, os.SEEK_SET)
        raise
