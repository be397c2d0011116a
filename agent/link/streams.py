"""A session and a journal as streams of gRPC, behind the words of agent.ports.control. Called by agent.link.control.

gRPC ends a whole call when the reading or writing of one message is cancelled; whoever then reads or writes the same
stream is told ``LinkDown``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Generic, TypeVar

import grpc

from agent.link.endings import Ending
from agent.link.identity import Identity
from protos.codec import journal
from protos.codec import session as codec
from protos.codec.checks import WireError
from protos.muster.v1 import control_pb2 as wire
from workflow.journal import Directive, Record
from workflow.session import AgentSays, ControlSays, Decline, Hello, LinkDown, Refused, Welcome

Up = TypeVar("Up")
Down = TypeVar("Down")
Said = TypeVar("Said")


class Stream(Generic[Up, Down]):
    """A two-way call. One writer at a time is seen to; there must be one reader."""

    def __init__(self, call: grpc.aio.StreamStreamCall[Up, Down], identity: Identity) -> None:
        self._call = call
        self._identity = identity
        self._ending = Ending(call)
        self._turn = asyncio.Lock()

    async def write(self, message: Up) -> None:
        """Hand it to the transport."""
        async with self._turn, self._ending.understood(self._identity):
            await self._call.write(message)

    async def read(self) -> Down | None:
        """The next message; None at the good end."""
        async with self._ending.understood(self._identity):
            message = await self._call.read()
        return None if message is grpc.aio.EOF else message  # type: ignore[return-value]  # EOF is no Down

    async def end(self) -> None:
        """Say that nothing more will be written."""
        async with self._turn, self._ending.understood(self._identity):
            await self._call.done_writing()

    def cut(self) -> None:
        """End the call, whatever is under way."""
        self._call.cancel()


class LinkSession:
    """agent.ports.control.Session."""

    def __init__(self, stream: Stream[wire.AgentMessage, wire.ControlMessage], welcome: Welcome) -> None:
        self._stream = stream
        self._welcome = welcome

    @property
    def welcome(self) -> Welcome:
        """What the control plane answered to Hello."""
        return self._welcome

    async def say(self, message: AgentSays) -> None:
        """Send, in order."""
        await self._stream.write(codec.encode_agent(message))

    async def received(self) -> AsyncIterator[ControlSays]:
        """What comes, until the session is over. It also ends, well, when the certificate was renewed: open another."""
        while (message := await self._stream.read()) is not None:
            try:
                said = codec.decode_control(message)
            except WireError as error:
                await self._not_understood(message, error)
                continue
            if isinstance(said, Welcome):
                raise Refused("the control plane welcomes twice in one session")
            yield said

    async def _not_understood(self, message: wire.ControlMessage, error: WireError) -> None:
        """Decline an assignment that this agent cannot read, and go on with the others'. Refused for anything else."""
        words = f"the control plane says what this agent does not understand: {error}"
        if message.WhichOneof("message") != "assign":
            raise Refused(words) from None
        try:
            attempt = journal.decode_attempt(message.assign.bundle.attempt)
        except WireError:
            raise Refused(words) from None
        await self.say(Decline(attempt, words[:500], final=True))

    async def end(self) -> None:
        """Let the control plane end it, so that nothing it said is lost."""
        await self._stream.end()


async def begun(stream: Stream[wire.AgentMessage, wire.ControlMessage], hello: Hello) -> LinkSession:
    """Hello, Welcome."""
    await stream.write(codec.encode_agent(hello))
    message = await stream.read()
    welcome = None if message is None else _read(codec.decode_control, message)
    if not isinstance(welcome, Welcome):
        raise LinkDown("the control plane ended the session without a welcome")
    return LinkSession(stream, welcome)


def _read(decode: Callable[[Down], Said], message: Down) -> Said:
    try:
        return decode(message)
    except WireError as error:
        raise Refused(f"the control plane says what this agent does not understand: {error}") from None


class LinkJournal:
    """agent.ports.control.JournalStream."""

    def __init__(self, stream: Stream[wire.JournalUp, wire.JournalDown]) -> None:
        self._stream = stream

    async def send(self, records: Sequence[Record]) -> None:
        """Send in as few messages as fit."""
        for message in codec.encode_batches(records):
            await self._stream.write(message)

    async def received(self) -> AsyncIterator[int | Directive]:
        """Acknowledged numbers and directives."""
        while (message := await self._stream.read()) is not None:
            yield _read(codec.decode_down, message)
