"""What lies on disk for each attempt, and which conductors live.

Called by the executor. A conductor holds a lock on its folder's lock file for as long as it lives; the kernel tells
who holds it and lets go of it when the process ends, so that no process number is ever trusted for longer than a
moment.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from agent.conductor.terms import LOCK
from workflow.identifiers import Attempt, BadIdentifier, execution_id

_FLOCK = struct.Struct("@hhqqi4x")
_GONE = ".gone-"
_EXIT = "exit"
STDERR = "stderr"
"""The file that takes what a conductor says when it breaks."""


class Folders:
    """The attempts' folders below one directory, which is the agent's alone."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root.resolve()

    @property
    def root(self) -> Path:
        """Where all of it lies."""
        return self._root

    def of(self, attempt: Attempt) -> Path:
        """The attempt's folder, existing or not."""
        return self._root / f"{attempt.execution}.{attempt.number}"

    def attempts(self) -> Iterator[Attempt]:
        """Every attempt that has a folder."""
        for entry in sorted(os.scandir(self._root), key=lambda entry: entry.name):
            name, _, number = entry.name.rpartition(".")
            try:
                if number.isdecimal() and number[0] != "0":
                    yield Attempt(execution_id(name), int(number))
            except BadIdentifier:
                continue

    def set_aside(self, attempt: Attempt) -> Path | None:
        """Take the folder out of sight, to be deleted; None where there is none."""
        aside = self._root / f"{_GONE}{attempt.execution}.{attempt.number}.{os.getpid()}.{os.urandom(4).hex()}"
        try:
            self.of(attempt).rename(aside)
        except FileNotFoundError:
            return None
        return aside

    def half_deleted(self) -> Iterator[Path]:
        """Folders whose deletion was broken off."""
        return self._root.glob(f"{_GONE}*")


def holder(folder: Path) -> int | None:
    """The process that holds the folder's lock: its living conductor."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        asked = _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    finally:
        os.close(descriptor)
    return pid if kind != fcntl.F_UNLCK and pid > 0 else None


def note_exit(folder: Path, code: int) -> None:
    """Keep how a conductor ended, for whoever asks later. The folder may be gone."""
    try:
        (folder / _EXIT).write_text(str(code))
    except OSError:
        return


def noted_exit(folder: Path) -> int | None:
    """How its conductor ended, where that is known: its code, or minus a signal's number."""
    try:
        return int((folder / _EXIT).read_text())
    except (OSError, ValueError):
        return None


def delete(folder: Path) -> None:
    """Delete it all, whatever modes the steps gave to what lies there."""

    def mend(function: Callable[..., object], path: str, _: object) -> None:
        try:
            Path(path).parent.chmod(stat.S_IRWXU)
            if not Path(path).is_symlink():
                Path(path).chmod(stat.S_IRWXU)
            if Path(path).is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                function(path)
        except OSError:
            return

    shutil.rmtree(folder, onerror=mend)
