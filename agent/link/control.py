"""The control plane seen from an agent: agent.ports.control over gRPC and mutual TLS. Made by the assembly, called by
the relay.

While a session is open the certificate is renewed by itself. Then the session ends well (``received`` ends) and wants
to be opened again; journals and files that are under way go on as they are, new ones use the new certificate.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from agent.link.background import beside
from agent.link.endings import Ending
from agent.link.identity import Identity
from agent.link.renewal import Keep, Renewal
from agent.link.streams import LinkJournal, LinkSession, Stream, begun
from agent.ports.control import JournalStream, Session
from protos.codec import journal
from protos.codec import session as codec
from protos.codec.checks import WireError
from protos.muster.v1 import control_pb2 as wire
from protos.muster.v1 import control_pb2_grpc
from workflow.identifiers import Attempt
from workflow.session import FileOffer, FilePosition, Hello, LinkDown, Refused

WELCOME: Final = 10.0
"""Seconds for which Welcome is waited for."""
DEADLINE: Final = 30.0
"""Seconds of a call that asks once and is answered once."""


class Link:
    """The port. ``close`` ends every stream. ``keep``: whoever keeps the identity beside the state folder."""

    def __init__(self, state: Path, identity: Identity, keep: Keep | None = None) -> None:
        self._renewal = Renewal(state, identity, keep)

    @property
    def identity(self) -> Identity:
        """As it is now: renewed from time to time."""
        return self._renewal.line.identity

    async def close(self) -> None:
        """End every stream, and the connection."""
        await self._renewal.close()

    @asynccontextmanager
    async def session(self, hello: Hello) -> AsyncIterator[Session]:
        """One session. Opened again after a renewal."""
        await self._renewal.catch_up()
        line = self._renewal.line
        async with line.used():
            call = control_pb2_grpc.SessionsStub(line.channel).Open()
            stream = Stream(call, line.identity)
            try:
                session = await _welcomed(stream, hello)
                async with beside(self._renewed(session)):
                    yield session
            finally:
                stream.cut()

    async def _renewed(self, session: LinkSession) -> None:
        await self._renewal.wait()
        await session.end()

    @asynccontextmanager
    async def journal(self, attempt: Attempt) -> AsyncIterator[JournalStream]:
        """One journal's stream, on the connection that is newest now."""
        line = self._renewal.line
        async with line.used():
            stream = Stream(control_pb2_grpc.JournalsStub(line.channel).Stream(), line.identity)
            try:
                await stream.write(codec.encode_header(attempt))
                yield LinkJournal(stream)
            finally:
                stream.cut()

    async def begin_upload(self, offer: FileOffer) -> FilePosition:
        """Begin an upload, or find it again."""
        line = self._renewal.line
        async with line.used():
            call = control_pb2_grpc.ArtifactsStub(line.channel).Begin(codec.encode_offer(offer), timeout=DEADLINE)
            async with Ending(call).understood(line.identity):
                return _position(await call)

    async def upload(self, position: FilePosition, chunks: AsyncIterator[bytes]) -> FilePosition:
        """Send chunks; LinkDown where the control plane wants the upload begun again."""
        line = self._renewal.line
        async with line.used():
            call = control_pb2_grpc.ArtifactsStub(line.channel).Upload()
            try:
                async with Ending(call).understood(line.identity):
                    offset = position.offset
                    async for data in chunks:
                        await call.write(wire.UploadChunk(upload=position.upload, offset=offset, data=data))
                        offset += len(data)
                    await call.done_writing()
                    return _position(await call)
            finally:
                call.cancel()

    async def download(self, attempt: Attempt, digest: str, offset: int) -> AsyncIterator[bytes]:
        """The bytes of a transfer blob."""
        line = self._renewal.line
        wish = wire.DownloadRequest(attempt=journal.encode_attempt(attempt), digest=digest, offset=offset)
        async with line.used():
            call = control_pb2_grpc.ArtifactsStub(line.channel).Download(wish)
            try:
                async with Ending(call).understood(line.identity):
                    async for message in call:
                        yield message.data
            finally:
                call.cancel()


async def _welcomed(stream: Stream[wire.AgentMessage, wire.ControlMessage], hello: Hello) -> LinkSession:
    try:
        async with asyncio.timeout(WELCOME):
            return await begun(stream, hello)
    except TimeoutError:
        raise LinkDown(f"the control plane did not answer within {WELCOME:.0f} s") from None


def _position(message: wire.UploadPosition) -> FilePosition:
    try:
        return codec.decode_position(message)
    except WireError as error:
        raise Refused(f"the control plane says what this agent does not understand: {error}") from None
