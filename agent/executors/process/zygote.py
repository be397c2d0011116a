"""The zygote: a small process, everything imported, one thread, that forks conductors in a few milliseconds.

Started by the nursery as ``python -m agent.executors.process.zygote FD [paths|namespaces]``. FD is a socket of whole
messages. Heard on it: a folder's path, in which terms and bundle lie. Said on it, as JSON: first how steps can be
isolated here; then of each folder that its conductor is ready or failed. It ends with the agent. Conductors outlive
it: they are in sessions of their own. A few conductors are forked ahead, and wait for their folder; they end with the
zygote.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.conductor import linux
from agent.conductor.linux import New
from agent.conductor.warm import warm
from agent.conductor.workspace import Isolation
from agent.executors.process.birth import become_conductor, isolate, probe, tell
from agent.executors.process.folders import note_exit

MAX_SAID = 64 * 1024
SPARE = 2
"""Conductors that wait for their folder."""
QUIET = 0.02
"""Seconds without a wish after which spares are made up: their making must not delay those that are wanted."""


@dataclass(frozen=True, slots=True)
class _Unborn:
    """A process that becomes the conductor of the folder whose path it is told."""

    pid: int
    told: int

    def assign(self, folder: Path) -> None:
        """Raises OSError where it died."""
        try:
            os.write(self.told, os.fsencode(folder))
        finally:
            os.close(self.told)


class Zygote:
    """Forks conductors and takes the exit of those that end while it lives."""

    def __init__(self, said: socket.socket, isolation: Isolation) -> None:
        self._said = said
        self._isolation = isolation
        self._folders: dict[int, Path] = {}
        self._spare: deque[_Unborn] = deque()
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Until the agent is gone."""
        linux.adopt_orphans()
        reading, writing = self._wake
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        warm()
        gc.collect()
        gc.freeze()  # so that forks share all of it
        while True:
            quiet = QUIET if len(self._spare) < SPARE else None
            ready, _, _ = select.select([self._said.fileno(), reading], [], [], quiet)
            if reading in ready:
                with suppress(BlockingIOError):
                    os.read(reading, 4096)
                self._reap()
            if self._said.fileno() in ready:
                message = b""
                with suppress(ConnectionError):  # the agent was killed
                    message = self._said.recv(MAX_SAID)
                if not message:
                    return
                self._launch(Path(os.fsdecode(message)))
            if not ready:
                with suppress(OSError):  # who is wanted will be told of it
                    self._spare.append(self._forked())

    def _launch(self, folder: Path) -> None:
        while self._spare:
            unborn = self._spare.popleft()
            with suppress(OSError):  # it died: the next one, then
                unborn.assign(folder)
                self._folders[unborn.pid] = folder
                return
        try:
            unborn = self._forked()
            unborn.assign(folder)
            self._folders[unborn.pid] = folder
        except OSError as problem:
            tell(self._said, {"failed": str(folder), "reason": str(problem)})

    def _forked(self) -> _Unborn:
        """A process of its own, in namespaces of its own. Raises OSError."""
        assigned, told = os.pipe2(os.O_CLOEXEC)
        try:
            return _Unborn(self._fork(assigned, told), told)
        except OSError:
            os.close(told)
            raise
        finally:
            os.close(assigned)

    def _fork(self, assigned: int, told: int) -> int:
        if self._isolation is Isolation.PATHS:
            return self._child(assigned, told)
        if os.getuid() != 0:
            return self._fork_by_another(assigned, told)
        linux.unshare(New.PIDS)
        try:
            return self._child(assigned, told)
        finally:
            linux.enter(self._own, New.PIDS)

    def _child(self, assigned: int, told: int) -> int:
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for descriptor in (told, self._own, *self._wake, *(spare.told for spare in self._spare)):
                os.close(descriptor)  # else the spares would not see the zygote's end
            become_conductor(assigned, self._said)
        return pid

    def _fork_by_another(self, assigned: int, told: int) -> int:
        """For an ordinary user: a namespace of users cannot be left again, so a process between enters it."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        between = os.fork()
        if between == 0:
            try:
                isolate()
                os.write(writing, str(self._child(assigned, told)).encode())
            except OSError as problem:
                os.write(writing, str(problem).encode())
            finally:
                os._exit(0)
        os.close(writing)
        said = os.read(reading, 4096).decode("utf-8", "replace")
        os.close(reading)
        os.waitpid(between, 0)
        if not said.isdecimal():
            raise OSError(said or "the process between died")
        return int(said)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if folder := self._folders.pop(pid, None):
                    note_exit(folder, os.waitstatus_to_exitcode(status))


def main() -> None:
    """The program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the agent's business
    said = socket.socket(fileno=int(sys.argv[1]))
    said.set_inheritable(False)
    asked = Isolation(sys.argv[2]) if len(sys.argv) > 2 else None
    isolation, why = (Isolation.PATHS, "") if asked is Isolation.PATHS else probe()
    with suppress(BrokenPipeError):  # the agent is gone already
        tell(said, {"isolation": isolation.value, "why": why})
        Zygote(said, isolation).serve()


if __name__ == "__main__":
    main()
