"""The agent's side of the zygote: started when first needed, started again when it dies.

Called by the executor alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

from agent.conductor.workspace import Isolation
from agent.executors.process.zygote import MAX_SAID

START = 30.0
"""Seconds that a zygote has to come up: it imports everything once."""
LAUNCH = 15.0
"""Seconds that a conductor has to be ready."""


class NotBorn(Exception):
    """There is no conductor. The sentence says why; trying again may help."""


class _ZygoteDied(NotBorn):
    """Before it answered; another one may."""


class Nursery:
    """One zygote at a time."""

    def __init__(self, asked: Isolation | None) -> None:
        self._asked = asked
        self._process: asyncio.subprocess.Process | None = None
        self._said: socket.socket | None = None
        self._alive = -1
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._starting = asyncio.Lock()
        self.isolation = Isolation.PATHS
        self.why = ""

    async def ready(self) -> None:
        """Have a living zygote, and know what this machine allows. Raises ``NotBorn``."""
        async with self._starting:
            if self._said is None:
                try:
                    await self._start()
                except (OSError, TimeoutError, ValueError) as problem:
                    raise NotBorn(f"conductors cannot be started: {problem or 'no answer'}") from None

    async def launch(self, folder: Path) -> None:
        """A conductor for the folder; returns when it can be connected to. Raises ``NotBorn``."""
        try:
            await self._launched(folder)
        except _ZygoteDied:
            await self._launched(folder)

    async def _launched(self, folder: Path) -> None:
        await self.ready()
        assert self._said is not None
        born: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[str(folder)] = born
        try:
            self._said.send(os.fsencode(folder))
            async with asyncio.timeout(LAUNCH):
                await born
        except (OSError, TimeoutError) as problem:
            raise NotBorn(f"the conductor did not come up: {problem or 'no answer'}") from None
        finally:
            self._waiting.pop(str(folder), None)

    async def close(self) -> None:
        """Let the zygote end. Conductors go on."""
        self._lost("the agent ends")
        if self._process is not None:
            await self._process.wait()

    async def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        asked = [self._asked.value] if self._asked else []
        loop = asyncio.get_running_loop()
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "agent.executors.process.zygote", str(theirs.fileno()), *asked),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    start_new_session=True,
                )
            async with asyncio.timeout(START):
                words = json.loads(await loop.sock_recv(ours, MAX_SAID))
        except BaseException:
            ours.close()
            raise
        self.isolation, self.why = Isolation(words["isolation"]), words["why"]
        self._said = ours
        loop.add_reader(ours.fileno(), self._hear)
        self._alive = os.pidfd_open(self._process.pid)  # its socket tells too late: conductors to be hold it too
        loop.add_reader(self._alive, self._lost, "the process that starts conductors died")

    def _hear(self) -> None:
        assert self._said is not None
        try:
            message = self._said.recv(MAX_SAID)
        except OSError:
            message = b""
        if not message:
            self._lost("the process that starts conductors died")
            return
        words = json.loads(message)
        born = self._waiting.get(words.get("ready") or words.get("failed"))
        if born is None or born.done():
            return
        if "ready" in words:
            born.set_result(None)
        else:
            born.set_exception(NotBorn(words["reason"]))

    def _lost(self, why: str) -> None:
        if self._said is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._said.fileno())
            loop.remove_reader(self._alive)
            self._said.close()
            os.close(self._alive)
            self._said = None
        for born in self._waiting.values():
            if not born.done():
                born.set_exception(_ZygoteDied(why))
