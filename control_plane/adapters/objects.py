"""The Blobs port: artifacts in an object store, by the digest of their content.

Called by the assembly; the services know it as control_plane.ports.blobs.Blobs. What arrives lies in a spool folder
on the local disk, synced before its offset is told, hashed as it comes; with the last byte it moves into the object
store, whole. After a restart an upload goes on where it was: the bytes that are there are hashed again. Two agents
that send the same content share one upload.
"""

from __future__ import annotations

import asyncio
import errno
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from control_plane.adapters.buckets import Bucket, BucketUnavailable
from control_plane.adapters.spool import Partial, tidied
from control_plane.ports.blobs import BlobsUnavailable, DigestMismatch, Upload
from control_plane.ports.opening import Unusable

T = TypeVar("T")

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_UPLOAD = re.compile(r"([0-9a-f]{64})-(0|[1-9][0-9]{0,14})")
_CHUNK = 1024 * 1024
_THREADS = 4
_AT_HAND = 256  # uploads whose hash is kept in memory; others are hashed again when they go on


class ObjectBlobs:
    """The Blobs port. Made by ``open``."""

    def __init__(self, spool: Path, bucket: Bucket) -> None:
        self._spool = spool
        self._bucket = bucket
        self._partials: OrderedDict[str, Partial] = OrderedDict()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blobs")
        self._closed = False
        self._threads.submit(bucket.sweep, "blobs")

    @classmethod
    async def open(cls, spool: Path, objects: Path | str) -> ObjectBlobs:
        """Open with partial files in ``spool`` and blobs in ``objects``: a folder or a URL
        (control_plane.adapters.buckets). Unusable."""
        return await asyncio.to_thread(_opened, cls, spool, objects)

    async def begin(self, digest: str, size: int) -> Upload:
        """As the port says. ValueError also for a size that cannot be; DigestMismatch where all bytes were there and
        are not the right ones; BlobsUnavailable."""
        upload = f"{_checked(digest).removeprefix('sha256:')}-{size}"
        if not _UPLOAD.fullmatch(upload):
            raise ValueError(f"a blob cannot have {size} bytes")
        async with self._held(upload) as partial:
            there = await self.size(digest)
            if there is not None:
                return Upload(upload, digest, there, there, True)
            await self._in_thread(partial.look)
            return await self._finished_if_whole(partial)

    async def append(self, upload: str, offset: int, data: bytes) -> Upload:
        """As the port says. KeyError where there is no such upload; ValueError also for more bytes than were
        announced; BlobsUnavailable."""
        if not _UPLOAD.fullmatch(upload):
            raise KeyError(upload)
        async with self._held(upload) as partial:
            if partial.complete:
                return partial.told()
            if not partial.known:
                there = await self._again(partial)
                if there is not None:
                    return there
            if not 0 <= offset <= partial.offset:
                raise ValueError(f"{partial.offset} bytes are there; none can be added at {offset}")
            if offset + len(data) > partial.size:
                raise ValueError(f"{offset + len(data)} bytes are more than the {partial.size} that were announced")
            await self._in_thread(partial.extend, memoryview(data)[partial.offset - offset :])
            return await self._finished_if_whole(partial)

    async def size(self, digest: str) -> int | None:
        """Size of a complete blob. BlobsUnavailable."""
        return await self._in_thread(self._bucket.size, _key(_checked(digest)))

    async def read(self, digest: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes in chunks of at most 1 MiB. KeyError where there is none; BlobsUnavailable."""
        size = await self.size(digest)
        if size is None:
            raise KeyError(digest)
        end = size if length is None else min(size, offset + length)
        for start in range(offset, end, _CHUNK):
            yield await self._in_thread(self._bucket.get, _key(digest), start, min(_CHUNK, end - start))

    async def delete(self, digest: str) -> None:
        """Forget it; fine where it does not exist. BlobsUnavailable."""
        await self._in_thread(self._bucket.delete, _key(_checked(digest)))

    async def close(self) -> None:
        """Finish what is under way. Partial uploads stay for the next start."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)

    @asynccontextmanager
    async def _held(self, upload: str) -> AsyncIterator[Partial]:
        """The upload, for us alone."""
        partial = self._partials.get(upload)
        if partial is None:
            digest, _, size = upload.partition("-")
            partial = Partial(upload, f"sha256:{digest}", int(size), self._spool / f"{upload}.part")
            self._partials[upload] = partial
        self._partials.move_to_end(upload)
        partial.users += 1
        try:
            async with partial.lock:
                yield partial
        finally:
            partial.users -= 1
            self._tidy()

    def _tidy(self) -> None:
        """Forget what nobody uses: what is complete or was never begun, and the oldest of too many."""
        surplus = len(self._partials) - _AT_HAND
        for name, partial in list(self._partials.items()):
            if not partial.users and (partial.complete or not partial.known or surplus > 0):
                del self._partials[name]
            surplus -= 1

    async def _again(self, partial: Partial) -> Upload | None:
        """An upload that was begun before a restart, or long ago. Complete, where it is; KeyError."""
        if not await self._in_thread(partial.path.exists):
            there = await self.size(partial.digest)
            if there is None:
                raise KeyError(partial.id)
            return Upload(partial.id, partial.digest, there, there, True)
        await self._in_thread(partial.look)
        return None

    async def _finished_if_whole(self, partial: Partial) -> Upload:
        if partial.offset < partial.size:
            return partial.told()
        found = f"sha256:{partial.hash.hexdigest()}"
        if found != partial.digest:
            await self._in_thread(partial.throw_away)
            raise DigestMismatch(f"{partial.digest} was announced, {found} arrived; it was thrown away")
        await self._in_thread(self._move, partial)
        partial.complete = True
        return partial.told()

    def _move(self, partial: Partial) -> None:
        key = _key(partial.digest)
        self._bucket.put(key, partial.path)
        self._bucket.make_durable([key])
        partial.path.unlink(missing_ok=True)

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        if self._closed:
            raise BlobsUnavailable("the blobs are closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        except BucketUnavailable as error:
            raise BlobsUnavailable(f"the store for artifacts cannot serve now: {error}") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise BlobsUnavailable(f"the disk that holds {self._spool} is full") from error
            raise BlobsUnavailable(f"{self._spool} cannot be used now: {error.strerror}") from error


def _opened(cls: type[ObjectBlobs], spool: Path, objects: Path | str) -> ObjectBlobs:
    try:
        tidied(spool)
        return cls(spool, Bucket.open(objects))
    except OSError as error:
        raise Unusable(f"the folder for uploads {spool} cannot be used: {error.strerror}") from error
    except BucketUnavailable as error:
        raise Unusable(f"the store for artifacts cannot be opened: {error}") from error


def _key(digest: str) -> str:
    """Where a blob lies: in one of 256 folders, for the file systems' sake."""
    name = digest.removeprefix("sha256:")
    return f"blobs/{name[:2]}/{name}"


def _checked(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:80]!r} is no digest: it must be sha256: and 64 hex digits")
    return digest
