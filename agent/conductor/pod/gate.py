"""The conductor's end of one step container's pipes (see ``script``).

Made by the pod's place, one for each container. It must not know steps or the journal. That a container ends is seen
by its pipe's end, within a moment and without the cluster's help; why it ended, the agent tells later.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, Signals

from agent.conductor.failure import Failure
from agent.conductor.pod.script import ANSWERS, JOBS, SIGNALS
from agent.conductor.processes import Process

WORDS = 5.0
"""Seconds for which the agent's word on a container that ended is waited for."""
AGAIN = 0.25
"""Seconds after which a kill is repeated that did not end its job."""
COMING = 30.0
"""Seconds for which a container that was there a moment ago is waited for."""
DEAF = 3.0
"""Seconds in which a container has to answer a signal."""

_MAX_LINE = 8192


@dataclass(slots=True)
class _Job:
    """The process that runs."""

    path: str
    exited: asyncio.Future[int]
    words: list[str] = field(default_factory=list)
    group: int = 0
    stopped: bool = False
    """Whether it is to stand still as soon as it has begun."""


class Gate:
    """One container."""

    def __init__(self, name: str, folder: Path) -> None:
        """The pipes exist. To be made inside the running loop."""
        self.name = name
        self.directory = "/"
        """The image's own working directory, once the container is there."""
        self._folder = folder
        self._jobs = os.open(folder / JOBS, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._signals = os.open(folder / SIGNALS, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._answers = -1
        self._buffer = b""
        self._first = False  # whether the gate is its container's first process
        self._open = asyncio.Event()
        self._job: _Job | None = None
        self._signaled: dict[int, asyncio.Future[None]] = {}
        self._number = 0
        self._ooms = 0
        self._used = False
        self._refused = ""
        self._listen()

    @property
    def used(self) -> bool:
        """Whether something may run there that was not ended."""
        return self._used

    async def start(self, path: Path) -> Process:
        """Run the job at ``path``, once the container is there. Raises ``Failure`` where it will never be."""
        await self.opened(COMING)
        job = _Job(str(path), asyncio.get_running_loop().create_future())
        self._job, self._used = job, True
        os.write(self._jobs, f"{path}\n".encode())
        return Process(0, job.exited, job.words)

    def send(self, number: Signals) -> asyncio.Future[None]:
        """Signal everything in the container but the gate. The future is done when it was, or nothing is there."""
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._job is not None and not self._job.group and number in {SIGSTOP, SIGCONT}:
            self._job.stopped = number is SIGSTOP  # it is on its way to the gate: the signal might come first
        if not self._open.is_set():
            answered.set_result(None)
            return answered
        self._number += 1
        self._signaled[self._number] = answered
        os.write(self._signals, f"{self._number} {number.name.removeprefix('SIG')} {self._whom()}\n".encode())
        return answered

    async def opened(self, patience: float) -> None:
        """Wait until the container is there. Raises ``Failure`` where it will never be, or did not come."""
        try:
            async with asyncio.timeout(patience):
                await self._open.wait()
        except TimeoutError:
            raise Failure(f"the container {self.name} of the step did not start within {patience:.0f} s") from None
        if self._refused:
            raise Failure(self._refused)

    async def end(self) -> int:
        """Kill everything in the container but the gate, and wait until it is so; 1 where a job was running."""
        running = 1 if self._job is not None else 0
        await self._kill()
        while (job := self._job) is not None and self._open.is_set():
            await asyncio.wait([job.exited], timeout=AGAIN)
            if self._job is job:
                await self._kill()  # it may have begun after the first
        self._used = False
        return running

    def gone(self, reason: str, *, final: bool) -> None:
        """What the cluster says of the container: it ended, or (``final``) will never run (again)."""
        if final:
            self._refused = reason
            self._open.set()
        if self._job is not None and not self._job.exited.done() and (final or not self._open.is_set()):
            self._lost(self._job, reason)

    def close(self) -> None:
        """Let the container end."""
        if self._answers >= 0:
            asyncio.get_running_loop().remove_reader(self._answers)
        for descriptor in (self._answers, self._jobs, self._signals):
            if descriptor >= 0:
                os.close(descriptor)
        self._answers = self._jobs = self._signals = -1

    async def _kill(self) -> None:
        answer = self.send(SIGKILL)
        await asyncio.wait([answer], timeout=DEAF)
        if not answer.done():
            _drain(self._signals)  # an ear that comes later must not hear it

    # --- parts ----------------------------------------------------------------------------------------------

    def _whom(self) -> int:
        if self._first:
            return -1
        return -self._job.group if self._job is not None and self._job.group > 1 else 0

    def _listen(self) -> None:
        if self._answers >= 0:
            asyncio.get_running_loop().remove_reader(self._answers)
            os.close(self._answers)
        self._answers = os.open(self._folder / ANSWERS, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._buffer = b""
        asyncio.get_running_loop().add_reader(self._answers, self._hear)

    def _hear(self) -> None:
        try:
            data = os.read(self._answers, 65536)
        except BlockingIOError:
            return
        if not data:
            self._ended()
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self._buffer = self._buffer[:_MAX_LINE]
        for line in lines:
            self._heard(line.decode("utf-8", "surrogateescape"))

    def _heard(self, line: str) -> None:
        """One answer. What makes no sense is a step's own doing, and ignored."""
        match line.split(" ", 3):
            case ["hello", pid, *rest]:
                self._first = pid == "1"
                self.directory = " ".join(rest) or "/"
                self._ooms = 0
                self._open.set()
            case ["began", pid, path] if self._job is not None and self._job.path == path and pid.isdecimal():
                self._job.group = int(pid)
                if self._job.stopped:
                    self.send(SIGSTOP)
            case ["ended", code, ooms, path] if self._job is not None and self._job.path == path:
                if code.isdecimal() and ooms.isdecimal():
                    self._exited(self._job, int(code), int(ooms))
            case ["signaled", number] if number.isdecimal():
                if (answered := self._signaled.pop(int(number), None)) and not answered.done():
                    answered.set_result(None)

    def _exited(self, job: _Job, code: int, ooms: int) -> None:
        self._job = None
        short_of_memory, self._ooms = ooms > self._ooms, max(ooms, self._ooms)
        if job.exited.done():
            return
        if code == 128 + SIGKILL and short_of_memory:
            job.words.append("OOMKilled: the step used more memory than its container's limit")
            code = -SIGKILL
        job.exited.set_result(code)

    def _ended(self) -> None:
        """The container is gone; the kubelet may start it again."""
        self._open.clear()
        for answered in self._signaled.values():
            if not answered.done():
                answered.set_result(None)
        self._signaled.clear()
        _drain(self._jobs)  # what was not taken must not run in the next one
        _drain(self._signals)
        self._listen()
        if (job := self._job) is not None:
            asyncio.get_running_loop().call_later(WORDS, self._lost, job, "the step's container ended")

    def _lost(self, job: _Job, reason: str) -> None:
        if self._job is job:
            self._job = None
        if not job.exited.done():
            job.words.append(reason)
            job.exited.set_result(-SIGKILL)


def _drain(pipe: int) -> None:
    with suppress(BlockingIOError):
        while os.read(pipe, 65536):
            pass
