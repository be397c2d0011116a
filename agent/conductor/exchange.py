"""Files between the conductor and the control plane, by way of whichever agent is attached.

Called by the operations that store and fetch files; fed by the server with the agent's answers. An offer or a wish
stands until it is met: a new agent is told it again, and says from where it goes on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.conductor.frames import MAX_FILE_DATA
from agent.ports.conductor import FileChunk, FileData, FileOffered, FileRefused, FileTaken, FileWanted, FromConductor
from workflow.identifiers import StepRef
from workflow.session import FileKind

Say = Callable[[FromConductor], Awaitable[None]]
"""Sends to the agent that is attached; loses the message where none is."""

_AGAIN = (0.2, 5.0)  # seconds before a refused file is tried again: at first, at the most
_MAX_REFUSALS = 20


class NotExchanged(Exception):
    """The file was refused for good. The sentence says why."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to be stored. ``path`` is where this program finds it."""

    ref: StepRef
    name: str
    path: Path
    size: int
    digest: str
    kind: FileKind = FileKind.ARTIFACT


@dataclass(slots=True)
class _Open:
    """An offer or a wish that stands."""

    said: FileOffered | FileWanted
    answers: asyncio.Queue[FileTaken | FileData | FileRefused] = field(default_factory=asyncio.Queue)


class Exchange:
    """All files under way."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        self._last = 0
        self._say: Say | None = None

    async def attached(self, say: Say) -> None:
        """An agent is there: tell it what stands open."""
        self._say = say
        for standing in list(self._open.values()):
            await say(standing.said)

    def detached(self, say: Say) -> None:
        """That agent is gone."""
        if self._say is say:
            self._say = None

    def answered(self, answer: FileTaken | FileData | FileRefused) -> None:
        """What the agent says of a file. What concerns no open one is ignored."""
        if standing := self._open.get(answer.file):
            standing.answers.put_nowait(answer)

    async def store(self, file: LocalFile) -> None:
        """Have ``file`` stored; returns when it is complete and durable. Raises ``NotExchanged``."""
        self._last += 1
        offer = FileOffered(self._last, file.ref, file.name, file.size, file.digest, file.kind)
        standing = self._open[self._last] = _Open(offer)
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            await self._tell(offer)
            refusals = 0
            while True:
                match await standing.answers.get():
                    case FileTaken(complete=True):
                        return
                    case FileTaken(offset=offset, window=window):
                        await self._send(offer, descriptor, offset, min(offset + window, file.size))
                    case FileRefused() as refused:
                        refusals += 1
                        await self._refused(refused, refusals, standing)
        finally:
            os.close(descriptor)
            del self._open[offer.file]

    async def fetch(self, digest: str, target: Path) -> None:
        """The transfer blob ``digest`` into a new file ``target``. Raises ``NotExchanged``."""
        import hashlib  # most executions fetch nothing, and a conductor in a pod is to be there at once

        self._last += 1
        standing = self._open[self._last] = _Open(FileWanted(self._last, digest, 0))
        refusals, position, seen = 0, 0, hashlib.sha256()
        try:
            with target.open("xb") as file:
                await self._tell(standing.said)
                while True:
                    match await standing.answers.get():
                        case FileData(offset=offset, data=data, last=last) if offset == position:
                            file.write(data)
                            seen.update(data)
                            position += len(data)
                            standing.said = FileWanted(standing.said.file, digest, position)
                            if last:
                                break
                        case FileRefused() as refused:
                            refusals += 1
                            await self._refused(refused, refusals, standing)
        finally:
            del self._open[standing.said.file]
        if f"sha256:{seen.hexdigest()}" != digest:
            raise NotExchanged(f"{digest} arrived with other bytes")

    async def _refused(self, refused: FileRefused, times: int, standing: _Open) -> None:
        if not refused.again or times > _MAX_REFUSALS:
            raise NotExchanged(refused.reason)
        await asyncio.sleep(min(_AGAIN[0] * 2**times, _AGAIN[1]))
        await self._tell(standing.said)

    async def _send(self, offer: FileOffered, descriptor: int, start: int, end: int) -> None:
        for offset in range(start, end, MAX_FILE_DATA):
            data = os.pread(descriptor, min(MAX_FILE_DATA, end - offset), offset)
            if not data:
                raise NotExchanged(f"{offer.name} became shorter while it was stored")
            await self._tell(FileChunk(offer.file, offset, data))

    async def _tell(self, message: FromConductor) -> None:
        if self._say is not None:
            await self._say(message)
