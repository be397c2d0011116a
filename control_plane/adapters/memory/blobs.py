"""The blobs' twin: a dictionary of bytes."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator

from control_plane.ports.blobs import DigestMismatch, Upload

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHUNK = 1024 * 1024


class MemoryBlobs:
    """The Blobs port."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}
        self._uploads: dict[str, tuple[str, int, bytearray]] = {}

    async def begin(self, digest: str, size: int) -> Upload:
        """As the port says."""
        _checked(digest)
        if size < 0:
            raise ValueError(f"a blob cannot have {size} bytes")
        await asyncio.sleep(0)
        upload = f"{digest.removeprefix('sha256:')}-{size}"
        if digest in self._blobs:
            return self._complete(upload, digest)
        _, _, data = self._uploads.setdefault(upload, (digest, size, bytearray()))
        return Upload(upload, digest, size, len(data), False) if size else self._finish(upload)

    async def append(self, upload: str, offset: int, data: bytes) -> Upload:
        """As the port says; KeyError where there is no such upload."""
        await asyncio.sleep(0)
        digest = f"sha256:{upload.partition('-')[0]}"
        if upload not in self._uploads:
            if digest not in self._blobs:
                raise KeyError(upload)
            return self._complete(upload, digest)
        _, size, there = self._uploads[upload]
        if not 0 <= offset <= len(there):
            raise ValueError(f"{len(there)} bytes are there; none can be added at {offset}")
        if offset + len(data) > size:
            raise ValueError(f"{offset + len(data)} bytes are more than the {size} that were announced")
        there += data[len(there) - offset :]
        if len(there) == size:
            return self._finish(upload)
        return Upload(upload, digest, size, len(there), False)

    async def size(self, digest: str) -> int | None:
        """Size of a complete blob."""
        blob = self._blobs.get(_checked(digest))
        return None if blob is None else len(blob)

    async def read(self, digest: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes in chunks of at most 1 MiB. KeyError where there is none."""
        blob = self._blobs[_checked(digest)]
        end = len(blob) if length is None else min(len(blob), offset + length)
        for start in range(offset, end, _CHUNK):
            yield blob[start : min(start + _CHUNK, end)]

    async def delete(self, digest: str) -> None:
        """Forget it; fine where it does not exist."""
        self._blobs.pop(_checked(digest), None)

    async def close(self) -> None:
        """Nothing to let go."""

    def _finish(self, upload: str) -> Upload:
        digest, _, data = self._uploads.pop(upload)
        found = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if found != digest:
            raise DigestMismatch(f"{digest} was announced, {found} arrived; it was thrown away")
        self._blobs[digest] = bytes(data)
        return self._complete(upload, digest)

    def _complete(self, upload: str, digest: str) -> Upload:
        size = len(self._blobs[digest])
        return Upload(upload, digest, size, size, True)


def _checked(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:80]!r} is no digest: it must be sha256: and 64 hex digits")
    return digest
