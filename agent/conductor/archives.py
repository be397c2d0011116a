"""Archives: packed the same from the same files, unpacked without leaving their directory.

Called by the operations that move files, always as work among the steps' files. ``check`` is called in between and
ends the work by what it raises.
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from agent.conductor.failure import Failure

MAX_ENTRIES = 200_000
MAX_UNPACKED = 16 * 1024**3
"""Bytes that an archive may hold, unpacked."""
MAX_RATIO = 2000
"""How many times larger than itself an archive may become, once it is beyond 64 MiB: more is a bomb."""

_HARMLESS = 64 * 1024 * 1024
_EPOCH = 315_619_200  # 1980-01-02, since formats with shorter memories take part
_PIECE = 1024 * 1024

Check = Callable[[], None]


def pack(root: Path, names: Iterable[str], target: BinaryIO, check: Check) -> int:
    """A tar.gz of the files (names relative to ``root``), the same bytes from the same files; how many entries it
    has."""
    count = 0
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=3, fileobj=target, mtime=0) as zipped,
        tarfile.open(fileobj=cast("BinaryIO", zipped), mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(set(names)):
            check()
            count += _packed(archive, root / name, name)
    return count


def _packed(archive: tarfile.TarFile, path: Path, name: str) -> int:
    entry = tarfile.TarInfo(name)
    entry.mtime = _EPOCH
    found = path.lstat()
    entry.mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
        archive.addfile(entry)
    elif stat.S_ISDIR(found.st_mode):
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    elif stat.S_ISREG(found.st_mode):
        with path.open("rb") as file:
            entry.size = os.fstat(file.fileno()).st_size
            archive.addfile(entry, file)
    else:
        return 0  # sockets, pipes, devices are no files to hand on
    return 1


def unpack(source: Path, directory: Path, check: Check, *, confined: bool) -> int:
    """Everything in the archive (plain or compressed tar) below ``directory``; how many entries. Existing files are
    replaced.

    ``confined``: links that lead out of the directory are refused; else they are made as they are. Raises ``Failure``
    for an archive that is none, that would write outside, holds devices, or grows beyond the limits.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(source, "r:*") as archive:
            return _Unpacking(archive, source.stat().st_size, directory, check, confined).run()
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, ValueError) as problem:
        raise Failure(f"this is no archive that can be unpacked: {problem}") from None


class _Unpacking:
    def __init__(self, archive: tarfile.TarFile, size: int, directory: Path, check: Check, confined: bool) -> None:
        self._archive = archive
        self._limit = min(MAX_UNPACKED, max(_HARMLESS, size * MAX_RATIO))
        self._directory = directory
        self._real = directory.resolve()
        self._check = check
        self._confined = confined
        self._taken = 0
        self._known: set[Path] = set()

    def run(self) -> int:
        links: list[tarfile.TarInfo] = []
        count = 0
        for entry in self._archive:
            count += 1
            if count > MAX_ENTRIES:
                raise Failure(f"the archive has more than {MAX_ENTRIES} entries")
            self._check()
            if entry.issym():
                links.append(entry)  # last, so that nothing is ever written through one
            else:
                self._put(entry)
        for entry in links:
            self._link(entry)
        return count

    def _put(self, entry: tarfile.TarInfo) -> None:
        target = self._target(entry.name)
        if entry.isdir():
            self._folder(target)
        elif entry.islnk():
            self._folder(target.parent)
            target.unlink(missing_ok=True)
            os.link(self._target(entry.linkname), target, follow_symlinks=False)
        elif entry.isfile():
            self._file(entry, target)
        else:
            raise Failure(f"the archive holds {entry.name!r}, which is neither file, directory nor link")

    def _file(self, entry: tarfile.TarInfo, target: Path) -> None:
        self._taken += entry.size
        if self._taken > self._limit:
            raise Failure(f"the archive would unpack to more than {self._limit} bytes")
        self._folder(target.parent)
        if target.is_symlink() or target.exists():
            target.unlink()
        source = self._archive.extractfile(entry)
        assert source is not None
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            while data := source.read(_PIECE):
                file.write(data)
                self._check()
            os.fchmod(file.fileno(), entry.mode & 0o777 | stat.S_IWUSR)

    def _link(self, entry: tarfile.TarInfo) -> None:
        target = self._target(entry.name)
        if self._confined and not self._inside(target.parent, entry.linkname):
            raise Failure(f"the archive holds the link {entry.name!r}, which leads out of it to {entry.linkname!r}")
        self._folder(target.parent)
        if target.is_symlink() or target.is_file():
            target.unlink()
        if not target.exists():
            target.symlink_to(entry.linkname)

    def _inside(self, parent: Path, link: str) -> bool:
        return Path(os.path.normpath(parent / link)).is_relative_to(self._directory)

    def _target(self, name: str) -> Path:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise Failure(f"the archive holds {name[:200]!r}, which lies outside of it")
        return self._directory / path

    def _folder(self, folder: Path) -> None:
        """Make it, and be sure that no link on the way leads elsewhere."""
        if folder not in self._known:
            if not folder.resolve().is_relative_to(self._real):
                raise Failure(f"{folder} leads out of {self._directory}")
            folder.mkdir(parents=True, exist_ok=True)
            self._known.add(folder)
