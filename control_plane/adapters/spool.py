"""Uploads that are under way, as files in a folder: written, synced, hashed as they come. Called by
control_plane.adapters.objects, in threads."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from control_plane.ports.blobs import Upload

if TYPE_CHECKING:
    from hashlib import _Hash

_CHUNK = 1024 * 1024
_FORGOTTEN_AFTER = 7 * 24 * 3600  # seconds after which a file that nobody continued is deleted at start


@dataclass(slots=True)
class Partial:
    """One upload: its file, how much of it is safe (``offset``), and the hash of that. ``users`` wait for it or hold
    its lock."""

    id: str
    digest: str
    size: int
    path: Path
    offset: int = 0
    hash: _Hash = field(default_factory=hashlib.sha256)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    known: bool = False  # whether the file was looked at
    complete: bool = False

    def told(self) -> Upload:
        """What the port says of it."""
        return Upload(self.id, self.digest, self.size, self.offset, self.complete)

    def look(self) -> None:
        """Find out how much is there, and hash it; what a killed process left is made durable before it counts.
        OSError."""
        if self.known:
            return
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(handle).st_size > self.size:
                os.ftruncate(handle, 0)
            self.offset, self.hash = 0, hashlib.sha256()
            while data := os.pread(handle, _CHUNK, self.offset):
                self.hash.update(data)
                self.offset += len(data)
            os.fsync(handle)
            _sync(self.path.parent)
        finally:
            os.close(handle)
        self.known = True

    def extend(self, data: memoryview) -> None:
        """Add bytes at the end, durably. OSError: nothing was added."""
        if not data:
            return
        handle = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(handle, data[written:], self.offset + written)
            os.fdatasync(handle)
        except OSError:
            os.ftruncate(handle, self.offset)
            raise
        finally:
            os.close(handle)
        self.hash.update(data)
        self.offset += len(data)

    def throw_away(self) -> None:
        """Begin anew."""
        self.path.unlink(missing_ok=True)
        self.offset, self.hash, self.known = 0, hashlib.sha256(), False


def tidied(folder: Path) -> None:
    """Make the folder where it must, and delete what was forgotten in it. OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.glob("*.part"):
        if path.stat().st_mtime < time.time() - _FORGOTTEN_AFTER:
            path.unlink()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
