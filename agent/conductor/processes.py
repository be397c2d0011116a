"""The processes below this one: started, waited for, stopped in place, killed with everything they ever started.

Called by the places where steps run. The conductor is the first process of a namespace of its own (kill(-1) then
reaches all that it started and nothing else), or at least the one that adopts their orphans. There is one
``Processes`` a program, since it takes the exit of every child.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: an absolute ``argv[0]``, the whole environment, where, and what it prints into."""

    argv: Sequence[str]
    env: Mapping[str, str]
    directory: str
    stdout: int
    stderr: int
    ref: str = ""
    """The step that it belongs to: in a pod, this chooses the container."""
    pass_fds: Sequence[int] = field(default_factory=tuple)


def start(command: Command) -> int:
    """Start it in a session of its own, with the root and the limits of the calling thread; the process's id. Raises
    OSError."""
    process = subprocess.Popen(
        list(command.argv),
        env=dict(command.env),
        cwd=command.directory,
        stdin=subprocess.DEVNULL,
        stdout=command.stdout,
        stderr=command.stderr,
        pass_fds=tuple(command.pass_fds),
        start_new_session=True,
    )
    process.returncode = 0  # its exit is taken below, not by this object
    return process.pid


class Processes:
    """All processes below this one."""

    def __init__(self, *, alone: bool) -> None:
        """``alone``: this is the first process of a namespace. To be made inside the running loop."""
        self._alone = alone
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._early: dict[int, int] = {}
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)

    async def run(self, starting: Awaitable[int]) -> Process:
        """The process whose id ``starting`` gives. One at a time."""
        self._early.clear()  # orphans that ended before; their numbers may come again
        pid = await starting
        exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if pid in self._early:
            exited.set_result(self._early.pop(pid))
        else:
            self._waiting[pid] = exited
        return Process(pid, exited)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to every process below this one."""
        if self._alone:
            try:
                os.kill(-1, number)
            except ProcessLookupError:
                return
        else:
            _signal_tree(number)

    async def end_all(self) -> int:
        """Kill everything below this one and wait until it is gone; how many there were."""
        gone = 0
        while True:
            self._changed.clear()
            self.signal_all(signal.SIGKILL)
            gone += self._reap()
            if not _has_children():
                return gone
            await self._changed.wait()

    def _reap(self) -> int:
        """Take the exit of every child that ended."""
        count = 0
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            count += 1
            if exited := self._waiting.pop(pid, None):
                exited.set_result(os.waitstatus_to_exitcode(status))
            else:
                self._early[pid] = os.waitstatus_to_exitcode(status)
        self._changed.set()
        return count


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """One process. ``exited`` is its exit code, or minus the number of the signal that ended it."""

    pid: int
    exited: asyncio.Future[int]
    words: list[str] = field(default_factory=list)
    """What is known of a death from outside, once it has ended."""


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _signal_tree(number: signal.Signals) -> None:
    """Signal all descendants: stopped first, again and again until no new one shows, so that none escapes by
    forking."""
    stopped: set[int] = set()
    while fresh := _descendants() - stopped:
        for pid in fresh:
            _signal(pid, signal.SIGCONT if number is signal.SIGCONT else signal.SIGSTOP)
        stopped |= fresh
    if number not in {signal.SIGSTOP, signal.SIGCONT}:
        for pid in stopped:
            _signal(pid, number)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _descendants() -> set[int]:
    """Every process that descends from this one, zombies left out."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (found := _parent(entry)):
            children.setdefault(found, []).append(int(entry.name))
    below: set[int] = set()
    open_ends = [os.getpid()]
    while open_ends:
        fresh = [pid for pid in children.get(open_ends.pop(), []) if pid not in below]
        below.update(fresh)
        open_ends += fresh
    return below


def _parent(entry: Path) -> int | None:
    try:
        state, parent = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:2]
    except (OSError, ValueError):
        return None
    return None if state == b"Z" else int(parent)
