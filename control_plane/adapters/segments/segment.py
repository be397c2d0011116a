"""One segment file: made, appended to, read, let go. Called by the writer (which alone appends), readers and the
archiver.

A segment that was deleted stays readable for those who ``retain``ed it before: the file is closed with the last of
them.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

from control_plane.adapters.segments.frames import (
    SEGMENT,
    Frame,
    SegmentHead,
    payload_offset,
    read_frame,
    segment_head,
)

_MAX_BUFFERS = 512  # in one writev; Linux takes 1024


class Damaged(Exception):
    """Bytes that were sound once are no longer. The sentence names the file and the place."""


class Segment:
    """An open segment file. ``durable``: how far it is safely written; ``trusted``: no fsync of it has failed;
    ``damaged``: it is kept for a person to look at."""

    def __init__(self, path: Path, handle: int, head: SegmentHead, durable: int) -> None:
        self.path = path
        self.head = head
        self.durable = durable
        self.trusted = True
        self.damaged = False
        self._handle = handle
        self._users = 1
        self._lock = threading.Lock()

    @classmethod
    def create(cls, directory: Path, number: int, first_batch: int) -> Segment:
        """A new segment, itself durable. OSError; nothing is left behind then."""
        head = SegmentHead(number, first_batch, secrets.token_bytes(16))
        path = directory / f"{number:016d}.wal"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write_all(handle, [segment_head(head)], 0)
            os.fsync(handle)
            sync_directory(directory)
        except OSError:
            os.close(handle)
            path.unlink(missing_ok=True)
            raise
        return cls(path, handle, head, SEGMENT.size)

    @classmethod
    def adopt(cls, path: Path, head: SegmentHead, end: int) -> Segment:
        """A segment that was scanned after a restart: what lies behind ``end`` is cut off, the rest made durable.
        OSError."""
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if os.fstat(handle).st_size > end:
                os.ftruncate(handle, end)
            os.fsync(handle)
        except OSError:
            os.close(handle)
            raise
        return cls(path, handle, head, end)

    def append(self, buffers: Sequence[bytes]) -> int:
        """Write behind what is durable, and make it durable; gives where it begins. OSError: see ``take_back``."""
        begin = self.durable
        size = _write_all(self._handle, buffers, begin)
        try:
            os.fdatasync(self._handle)
        except OSError:
            self.trusted = False  # what the kernel could not write it may have dropped: asking again proves nothing
            raise
        self.durable = begin + size
        return begin

    def take_back(self) -> None:
        """Cut off what a failed append left. OSError: the file must not be appended to any more."""
        os.ftruncate(self._handle, self.durable)

    def payload(self, frame: Frame) -> bytes:
        """The payload of a frame, checked. Damaged where it does not read well any more."""
        data = os.pread(self._handle, frame.length, frame.offset)
        sound = read_frame(memoryview(data), 0, len(data), self.head.seed)
        if sound is None or sound.length != frame.length or sound.execution != frame.execution:
            raise Damaged(f"{self.path} is damaged at byte {frame.offset}: {frame.length} bytes cannot be read")
        return data[payload_offset(frame) - frame.offset :]

    def retain(self) -> bool:
        """Keep the file open until ``release``. False where it is closed already."""
        with self._lock:
            if self._users == 0:
                return False
            self._users += 1
            return True

    def release(self) -> None:
        """The reverse of ``retain``; the maker's own hold is given back by ``delete`` or ``close``."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                os.close(self._handle)

    def delete(self) -> None:
        """Remove the file, or set it aside where it is damaged. One that comes back after a power failure is only
        archived again."""
        if self.damaged:
            self.path.rename(self.path.with_suffix(".damaged"))
        else:
            self.path.unlink(missing_ok=True)
        self.release()

    def close(self) -> None:
        """Let go; the file stays."""
        self.release()


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable. OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, buffers: Sequence[bytes], at: int) -> int:
    """Write all buffers from ``at``; gives how many bytes they are."""
    total = 0
    for first in range(0, len(buffers), _MAX_BUFFERS):
        some = buffers[first : first + _MAX_BUFFERS]
        size = sum(map(len, some))
        written = os.pwritev(handle, some, at + total)
        if written < size:  # a signal, or a disk that is nearly full: the rest piece by piece, so that the error shows
            rest = memoryview(b"".join(some))
            while written < size:
                written += os.pwrite(handle, rest[written:], at + total + written)
        total += size
    return total
