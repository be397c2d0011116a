"""Where artifacts lie: content-addressed, invisible until complete.

Called by services.artifacts. Adapter: control_plane.adapters.objects (one library for files, S3, GCS, Azure),
.memory. Suite: tests/contracts/blobs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


class DigestMismatch(Exception):
    """What arrived is not what was promised; it was thrown away."""


class BlobsUnavailable(Exception):
    """The object store cannot serve now; nothing changed."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload under way; survives a restart of the control plane."""

    id: str
    digest: str  # "sha256:<hex>"
    size: int
    offset: int  # bytes that are safely there
    complete: bool


class Blobs(Protocol):
    """The port. Digests are ``sha256:<64 hex digits>``; anything else is a ValueError."""

    async def begin(self, digest: str, size: int) -> Upload:
        """Begin, or find again, the upload of this content. Complete at once where the content is there already."""
        ...

    async def append(self, upload: str, offset: int, data: bytes) -> Upload:
        """Add bytes at ``offset`` (what overlaps what is there is skipped; a gap is a ValueError). With the last byte
        the digest is compared: the blob becomes visible, or DigestMismatch. More bytes than announced are a
        ValueError; an upload that was never begun is a KeyError.
        """
        ...

    async def size(self, digest: str) -> int | None:
        """Size of a complete blob."""
        ...

    def read(self, digest: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes in chunks of at most 1 MiB. KeyError where there is none."""
        ...

    async def delete(self, digest: str) -> None:
        """Forget it; fine where it does not exist."""
        ...

    async def close(self) -> None: ...
