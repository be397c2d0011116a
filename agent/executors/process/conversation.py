"""A conversation with a conductor over its unix socket (agent.ports.executor.Conversation). Made by the executor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from agent.conductor.frames import decode_from, encode_to, read_frame, send
from agent.conductor.server import BUFFER
from agent.conductor.terms import SOCKET
from agent.ports.conductor import Attach, Attached, FromConductor, ToConductor
from protos.codec.checks import WireError
from workflow.identifiers import Attempt

_ANSWER = 10.0  # seconds


class SocketConversation:
    """The port, over a stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, message: ToConductor) -> None:
        await send(self._writer, encode_to(message))

    async def received(self) -> AsyncIterator[FromConductor]:
        try:
            while (content := await read_frame(self._reader)) is not None:
                yield decode_from(content)
        except (OSError, WireError):
            return

    async def attach(self, attempt: Attempt, acknowledged: int) -> Attached:
        """The first words. ConnectionError where they are not answered."""
        await self.say(Attach(attempt, acknowledged))
        try:
            async with asyncio.timeout(_ANSWER):
                content = await read_frame(self._reader)
            answer = decode_from(content) if content is not None else None
        except (WireError, TimeoutError):
            answer = None
        if not isinstance(answer, Attached):
            raise ConnectionError("the conductor did not answer")
        return answer

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def dial(folder: Path) -> SocketConversation:
    """Connect to the socket in the folder, however long the folder's path. OSError where nobody listens."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{descriptor}/{SOCKET}", limit=BUFFER)
    finally:
        os.close(descriptor)
    return SocketConversation(reader, writer)
