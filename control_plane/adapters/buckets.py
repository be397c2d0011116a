"""Objects by key: in a local folder, S3, GCS or Azure, through obstore, with what obstore leaves open for local
files: fsync.

Called by control_plane.adapters.segments (sealed journals) and .objects (artifacts), in threads. An object is there
whole or not at all. Knows nothing of what the objects are.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_STREAMS = 2  # parts of a large object under way at once, 5 MiB each
_STAGED = re.compile(r"#[0-9]+$")  # how obstore names a local file that is being written
_STALE = 3600  # seconds
_FIRST_SENTENCE = re.compile(r"[^\n]*")


class BucketUnavailable(Exception):
    """The object store cannot serve now: full, unreachable, forbidden. The sentence says what it said."""


class Bucket:
    """An object store. ``root`` is the folder, where it is one: then obstore, which is 4 MB, is loaded when the first
    object is touched."""

    def __init__(self, store: ObjectStore | None, root: Path | None) -> None:
        self._opened = store
        self._root = root

    @property
    def _store(self) -> ObjectStore:
        if self._opened is None:
            from obstore.store import LocalStore

            assert self._root is not None
            self._opened = LocalStore(prefix=self._root, mkdir=True, automatic_cleanup=True)
        return self._opened

    @classmethod
    def open(cls, place: Path | str) -> Bucket:
        """A folder (made where it must), or a URL: ``s3://bucket/prefix``, ``gs://...``, ``az://...``,
        ``memory:///``; credentials come from the environment, as obstore reads them. BucketUnavailable."""
        if isinstance(place, str) and place.startswith("file://"):
            place = Path(place.removeprefix("file://"))
        if isinstance(place, Path):
            with _translated(str(place)):
                place.mkdir(parents=True, exist_ok=True)
            return cls(None, place.absolute())
        from obstore.store import from_url

        with _translated(str(place)):
            return cls(from_url(place), None)

    def put(self, key: str, data: bytes | Path | Iterator[bytes]) -> None:
        """Store an object, whole or not at all; durable only after ``make_durable``, where this is a folder.
        BucketUnavailable."""
        import obstore

        with _translated(key):
            if isinstance(data, bytes):
                obstore.put(self._store, key, data, use_multipart=False)
            else:
                obstore.put(self._store, key, data, max_concurrency=_STREAMS)

    def make_durable(self, keys: Sequence[str]) -> None:
        """Return when these objects survive a power failure. BucketUnavailable."""
        if self._root is None:
            return  # the remote stores answer only then
        folders: set[Path] = set()
        with _translated("fsync"):
            for key in keys:
                path = self._root / key
                _sync(path)
                folders.update(parent for parent in path.parents if parent.is_relative_to(self._root))
            for folder in sorted(folders, reverse=True):
                _sync(folder)

    def sweep(self, folder: str) -> None:
        """Delete what a killed process left half written, where this is a folder on a disk. Takes a while where there
        is much."""
        if self._root is None:
            return
        for parent, _, names in os.walk(self._root / folder):
            for path in (Path(parent, name) for name in names if _STAGED.search(name)):
                with suppress(OSError):  # gone already, or not ours to delete: it is in nobody's way
                    if path.stat().st_mtime < time.time() - _STALE:
                        path.unlink()

    def get(self, key: str, start: int, length: int) -> bytes:
        """A part of an object. KeyError, BucketUnavailable."""
        if length == 0:
            return b""
        import obstore

        with _translated(key):
            return bytes(obstore.get_range(self._store, key, start=start, length=length))

    def size(self, key: str) -> int | None:
        """Its size; None where there is none. BucketUnavailable."""
        import obstore

        try:
            with _translated(key):
                return int(obstore.head(self._store, key)["size"])
        except KeyError:
            return None

    def list(self, folder: str) -> list[tuple[str, int]]:
        """Key and size of all objects in a folder, sorted by key. BucketUnavailable."""
        import obstore

        with _translated(folder):
            found = obstore.list(self._store, folder).collect()
            return sorted((str(entry["path"]), int(entry["size"])) for entry in found)

    def delete(self, key: str) -> None:
        """Remove an object; fine where it does not exist. BucketUnavailable."""
        import obstore

        try:
            with _translated(key):
                obstore.delete(self._store, key)
        except KeyError:
            return


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise KeyError(what) from None
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] != "obstore":
            raise
        said = _FIRST_SENTENCE.match(str(error))
        raise BucketUnavailable(f"{what}: {said.group() if said else error}") from error


def _sync(path: Path) -> None:
    """Make it durable. Where it was deleted meanwhile there is nothing to do."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
