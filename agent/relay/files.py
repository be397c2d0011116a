"""The files of one attempt, both ways. Made by the carrier for each conversation with a conductor.

Up: the control plane says from where it wants a file, the conductor is asked for a window of it at a time. Down: the
conductor says from where. A link that breaks is waited for; a refusal is passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from agent.ports.conductor import FileChunk, FileData, FileOffered, FileRefused, FileTaken, FileWanted
from agent.ports.control import Control
from agent.ports.executor import Conversation
from agent.relay.patience import Patience
from workflow.identifiers import Attempt
from workflow.session import Fenced, FileOffer, FilePosition, LinkDown, NotAdmitted, Refused

WINDOW: Final = 1024 * 1024
"""Bytes of a file that are asked for at a time; two windows are under way."""
_PIECE: Final = 256 * 1024


class Files:
    """What is under way."""

    def __init__(
        self, attempt: Attempt, control: Control, conversation: Conversation, tasks: asyncio.TaskGroup
    ) -> None:
        self._attempt = attempt
        self._control = control
        self._conversation = conversation
        self._tasks = tasks
        self._uploads: dict[int, _Upload] = {}
        self._downloads: set[int] = set()

    def heard(self, message: FileOffered | FileChunk | FileWanted) -> None:
        """What the conductor says of a file."""
        match message:
            case FileOffered(file) if file not in self._uploads:
                self._uploads[file] = _Upload(message, self._conversation)
                self._tasks.create_task(self._up(self._uploads[file]))
            case FileChunk(file):
                if upload := self._uploads.get(file):
                    upload.arrived.put_nowait(message)
            case FileWanted(file) if file not in self._downloads:
                self._downloads.add(file)
                self._tasks.create_task(self._down(message))
            case _:
                return  # said again while it is under way

    async def _up(self, upload: _Upload) -> None:
        offered, patience = upload.offered, Patience()
        offer = FileOffer(self._attempt, offered.ref, offered.name, offered.size, offered.digest, offered.kind)
        try:
            while True:
                try:
                    position = await self._control.begin_upload(offer)
                    if not position.complete:
                        position = await self._control.upload(position, upload.chunks(position))
                except (LinkDown, NotAdmitted):  # the session says the latter too, and ends the agent
                    await patience.wait()
                    continue
                if position.complete:
                    await self._conversation.say(FileTaken(offered.file, position.offset, 0, complete=True))
                    return
                await patience.wait()
        except (Refused, Fenced) as refusal:
            await self._conversation.say(FileRefused(offered.file, str(refusal)))
        finally:
            del self._uploads[offered.file]

    async def _down(self, wish: FileWanted) -> None:
        offset, patience = wish.offset, Patience()
        try:
            while True:
                try:
                    async for data in self._pieces(wish.digest, offset):
                        await self._conversation.say(FileData(wish.file, offset, data))
                        offset += len(data)
                        patience.reset()
                except (LinkDown, NotAdmitted):  # the session says the latter too, and ends the agent
                    await patience.wait()
                    continue
                await self._conversation.say(FileData(wish.file, offset, b"", last=True))
                return
        except (Refused, Fenced) as refusal:
            await self._conversation.say(FileRefused(wish.file, str(refusal)))
        finally:
            self._downloads.discard(wish.file)

    async def _pieces(self, digest: str, offset: int) -> AsyncIterator[bytes]:
        async for data in self._control.download(self._attempt, digest, offset):
            for start in range(0, len(data), _PIECE):
                yield data[start : start + _PIECE]


class _Upload:
    """One file on its way up."""

    def __init__(self, offered: FileOffered, conversation: Conversation) -> None:
        self.offered = offered
        self.arrived: asyncio.Queue[FileChunk] = asyncio.Queue()
        self._conversation = conversation

    async def chunks(self, position: FilePosition) -> AsyncIterator[bytes]:
        """The bytes from ``position`` on, as the conductor sends them; what was asked for earlier and comes late is
        dropped."""
        size, file = self.offered.size, self.offered.file
        offset = asked = position.offset
        while offset < size:
            while asked < size and asked - offset <= WINDOW:
                await self._conversation.say(FileTaken(file, asked, WINDOW))
                asked = min(asked + WINDOW, size)
            chunk = await self.arrived.get()
            if chunk.offset == offset:
                offset += len(chunk.data)
                yield chunk.data
