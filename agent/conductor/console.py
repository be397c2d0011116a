"""The two pipes that a step prints into, read in the order in which it printed.

Called by the runner of processes. Each pipe begins with room for a single write (packet mode, one page), so a step
that has written to one is held there until that was read, and the kernel's list of ready pipes is the order of
writing. A pipe that is used alone for a while is given more room, so that a flood costs little; its neighbour's first
word takes it away.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
from collections.abc import Iterator

from workflow.journal import Stream

_PAGE = os.sysconf("SC_PAGE_SIZE")
_WIDE = 1024 * 1024
_ALONE = 64
"""Writes to one pipe, and none to the other, after which it is given more room."""
_AT_ONCE = 64 * 1024
_ROUND = 1024 * 1024
"""Bytes taken from one pipe before others have their turn."""


class _Pipe:
    """The reading end of one pipe."""

    __slots__ = ("alone", "descriptor", "open", "stream", "wide")

    def __init__(self, stream: Stream, descriptor: int) -> None:
        self.stream = stream
        self.descriptor = descriptor
        self.open = True
        self.wide = False
        self.alone = 0

    def read(self) -> bytes | None:
        """The next bytes, nothing at the end, None where there is nothing now."""
        try:
            return os.read(self.descriptor, _AT_ONCE)
        except BlockingIOError:
            return None

    def resize(self, size: int) -> None:
        """Give it that much room, where the kernel lets us; more or less room changes nothing but speed and order."""
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.descriptor, fcntl.F_SETPIPE_SZ, size)
            self.wide = size > _PAGE

    def close(self) -> None:
        if self.open:
            self.open = False
            os.close(self.descriptor)


class Console:
    """One step's standard output and error."""

    def __init__(self, reading: tuple[int, int] | None = None) -> None:
        """``reading``: the ends of pipes that somebody else writes into; without it, pipes of its own."""
        if reading is None:
            (out, self.stdout), (err, self.stderr) = _pipe(), _pipe()
        else:
            (out, err), self.stdout, self.stderr = reading, -1, -1
        self._pipes = {out: _Pipe(Stream.STDOUT, out), err: _Pipe(Stream.STDERR, err)}
        self._ready = select.epoll()
        for pipe in self._pipes.values():
            pipe.resize(_PAGE)
            self._ready.register(pipe.descriptor, select.EPOLLIN | select.EPOLLET)
        self._full: list[_Pipe] = []  # not read to their end in the last round
        self._woken = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether somebody can still print."""
        return any(pipe.open for pipe in self._pipes.values())

    def handed_over(self) -> None:
        """The step has its ends: close ours, so that its end is seen."""
        for descriptor in (self.stdout, self.stderr):
            if descriptor >= 0:
                os.close(descriptor)

    def wake(self) -> None:
        """End a ``wait``."""
        self._woken.set()

    async def wait(self) -> None:
        """Until there is something to take, or somebody calls ``wake``."""
        if self._full:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(self._ready.fileno(), self._woken.set)
        try:
            await self._woken.wait()
        finally:
            loop.remove_reader(self._ready.fileno())
            self._woken.clear()

    def take(self) -> Iterator[tuple[Stream, bytes]]:
        """What was printed since, in order; up to a round's worth of a flood."""
        full, self._full = self._full, []
        for pipe in full:
            yield from self._drain(pipe)
        for descriptor, event in self._ready.poll(0):
            pipe = self._pipes[descriptor]
            other = next(other for other in self._pipes.values() if other is not pipe)
            if other.wide and other.open:
                yield from self._drain(other)
                other.resize(_PAGE)
            other.alone = 0
            if pipe.wide or event & (select.EPOLLHUP | select.EPOLLERR):
                yield from self._drain(pipe)
            else:
                yield from self._one(pipe)

    def rest(self) -> Iterator[tuple[Stream, bytes]]:
        """Everything that can be had without waiting."""
        yield from self.take()
        while self._full:
            yield from self.take()
        for pipe in self._pipes.values():
            while pipe.open and (data := pipe.read()):
                yield pipe.stream, data

    def close(self) -> None:
        """Read no more; who still prints is told by a broken pipe."""
        self._ready.close()
        for pipe in self._pipes.values():
            pipe.close()

    def _one(self, pipe: _Pipe) -> Iterator[tuple[Stream, bytes]]:
        data = pipe.read() if pipe.open else None
        if data:
            pipe.alone += 1
            if pipe.alone == _ALONE:
                pipe.resize(_WIDE)
            yield pipe.stream, data
            if pipe.wide:  # what came between the read and the resizing gives no further sign
                yield from self._drain(pipe)
        elif data is not None:
            pipe.close()

    def _drain(self, pipe: _Pipe) -> Iterator[tuple[Stream, bytes]]:
        taken = 0
        while pipe.open and (data := pipe.read()) is not None:
            if not data:
                pipe.close()
                return
            yield pipe.stream, data
            taken += len(data)
            if taken >= _ROUND:
                self._full.append(pipe)
                return


def _pipe() -> tuple[int, int]:
    """A pipe in packet mode; only its reading end does not block."""
    reading, writing = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    os.set_blocking(reading, False)
    return reading, writing
