"""The conductor's end of the socket: one agent at a time, told what the journal holds, heard for what the control
plane says.

Made by the conductor's main. A new connection ends the older one. Whatever the peer says wrongly ends its connection
and changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Protocol, assert_never

from agent.conductor.exchange import Exchange
from agent.conductor.frames import decode_to, encode_from, encode_packed, put, read_frame, send
from agent.conductor.journal import Journal
from agent.ports.conductor import (
    Attach,
    Attached,
    ContainerGone,
    FileData,
    FileRefused,
    FileTaken,
    FromConductor,
    Release,
    SecretValues,
    Stored,
    ToConductor,
)
from protos.codec.checks import WireError
from workflow.identifiers import Attempt
from workflow.journal import ChildChanged, Directive, Pause, Resume, Stop
from workflow.session import MAX_AHEAD, MAX_MESSAGE, Bundle

_BATCH = 512 * 1024


class Hearer(Protocol):
    """Who is told what the agent says."""

    def told(self, directive: Directive) -> None:
        """A directive of the control plane."""
        ...

    def entrusted(self, values: SecretValues) -> None:
        """The values of secrets."""
        ...

    def bereft(self, gone: ContainerGone) -> None:
        """A step's container is gone."""
        ...

    def released(self) -> None:
        """All is acknowledged."""
        ...

    def attended(self, present: bool) -> None:
        """An agent came, or went."""
        ...


class Server:
    """Serves one journal."""

    def __init__(self, attempt: Attempt, journal: Journal, exchange: Exchange, hearer: Hearer) -> None:
        self._attempt = attempt
        self._journal = journal
        self._exchange = exchange
        self._hearer = hearer
        self._present: asyncio.Task[None] | None = None
        self._line: _Line | None = None
        self._leaving = False

    def leave(self) -> None:
        """The pod is told to end: say so to whoever is there or comes, for they may know why."""
        self._leaving = True
        if self._line is not None:
            self._line.put(self._attached())

    def _attached(self) -> Attached:
        return Attached(self._attempt, bundled=True, last=self._journal.last, leaving=self._leaving)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from Attach to its end. For asyncio's servers."""
        try:
            acknowledged = await self._greeted(reader)
            if acknowledged is not None:
                await self._replace(_Line(reader, writer), acknowledged)
        except (OSError, WireError):
            return
        except asyncio.CancelledError:
            if self._present is not None and self._present is asyncio.current_task():
                raise
            return  # a newer connection ended this one
        finally:
            writer.close()

    async def _greeted(self, reader: asyncio.StreamReader) -> int | None:
        """What the peer's control plane holds, where it is ours to serve."""
        async with asyncio.timeout(10):
            content = await read_frame(reader)
        match decode_to(content) if content is not None else None:
            case Attach(attempt, acknowledged) if attempt == self._attempt:
                return acknowledged
            case _:
                return None

    async def _replace(self, line: _Line, acknowledged: int) -> None:
        older, self._present = self._present, asyncio.current_task()
        if older is not None:
            older.cancel()
        self._hearer.attended(True)
        self._journal.forget(acknowledged)
        try:
            async with asyncio.TaskGroup() as tasks:
                await line.say(self._attached())
                self._line = line
                telling = tasks.create_task(self._tell(line))
                await self._exchange.attached(line.say)
                await self._hear(line)
                telling.cancel()
        except* (OSError, WireError):
            pass  # the peer's fault or the link's; the next one is told all again
        finally:
            self._exchange.detached(line.say)
            if self._present is asyncio.current_task():
                self._present = self._line = None
                self._hearer.attended(False)

    async def _tell(self, line: _Line) -> None:
        """Send the journal as it grows, at most MAX_AHEAD bytes ahead of what is acknowledged."""
        sent = self._journal.acknowledged
        cursor = self._journal.cursor(sent)
        ahead: deque[tuple[int, int]] = deque()
        size = 0
        try:
            while True:
                await self._journal.beyond(sent)
                for seq, packed in (taken := cursor.take(_BATCH)):
                    ahead.append((seq, len(packed)))
                    size, sent = size + len(packed), seq
                await line.send(encode_packed(packed for _, packed in taken))
                while ahead and (size >= MAX_AHEAD or ahead[0][0] <= self._journal.acknowledged):
                    await self._journal.settled(ahead[0][0])
                    size -= ahead.popleft()[1]
        finally:
            cursor.close()

    async def _hear(self, line: _Line) -> None:
        while (content := await read_frame(line.reader)) is not None:
            self._heard(decode_to(content))

    def _heard(self, message: ToConductor) -> None:
        match message:
            case Stored(seq):
                self._journal.forget(seq)
            case ChildChanged() | Stop() | Pause() | Resume():
                self._hearer.told(message)
            case SecretValues():
                self._hearer.entrusted(message)
            case ContainerGone():
                self._hearer.bereft(message)
            case FileTaken() | FileData() | FileRefused():
                self._exchange.answered(message)
            case Release():
                self._hearer.released()
            case Attach() | Bundle():
                return  # known already
            case _:
                assert_never(message)


class _Line:
    """One connection, written by several tasks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def say(self, message: FromConductor) -> None:
        """Send; silently nothing where the connection is gone, since whoever comes next is told again."""
        with suppress(ConnectionError):
            await self.send(encode_from(message))

    def put(self, message: FromConductor) -> None:
        """The same without waiting."""
        with suppress(ConnectionError):
            put(self._writer, encode_from(message))

    async def send(self, content: bytes) -> None:
        """Send a frame. ConnectionError where the connection is gone."""
        await send(self._writer, content)


BUFFER = 2 * MAX_MESSAGE
"""Bytes that a connection's reader takes ahead."""
