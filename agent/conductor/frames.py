"""The conversation of agent.ports.conductor as frames on a stream: a 4-byte big-endian length, one message.

Called by the conductor's server and by the executors that dial it. The only place on this side that sees the messages
of protos/muster/v1/conductor.proto. Never imports grpc. What no honest peer sends is a ``WireError``.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterable
from typing import TypeVar, assert_never

from google.protobuf.message import DecodeError, Message

from agent.ports.conductor import (
    Attach,
    Attached,
    ContainerGone,
    FileChunk,
    FileData,
    FileOffered,
    FileRefused,
    FileTaken,
    FileWanted,
    FromConductor,
    Records,
    Release,
    SecretValues,
    Stored,
    ToConductor,
)
from protos.codec import checks, journal
from protos.codec.checks import WireError
from protos.muster.v1 import conductor_pb2 as wire
from protos.muster.v1 import execution_pb2
from workflow.identifiers import StepRef, step_ref
from workflow.journal import ChildChanged, Pause, Resume, Stop
from workflow.session import MAX_MESSAGE, Bundle, FileKind

MAX_FILE_DATA = 256 * 1024
"""Bytes of one FileChunk or FileData at the most."""

_Parsed = TypeVar("_Parsed", bound=Message)
_LENGTH = struct.Struct(">I")


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame's content, or None where the peer ended the stream between frames. A stream cut inside a frame,
    or an oversized length, is a ``WireError``."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MAX_MESSAGE:
            raise WireError(f"a frame of {length} bytes; {MAX_MESSAGE} are the most")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as cut:
        if cut.partial:
            raise WireError("the stream ended inside a frame") from None
        return None


def framed(content: bytes) -> bytes:
    """``content`` with its length before it."""
    if len(content) > MAX_MESSAGE:
        raise WireError(f"a frame of {len(content)} bytes; {MAX_MESSAGE} are the most")
    return _LENGTH.pack(len(content)) + content


def put(writer: asyncio.StreamWriter, content: bytes) -> None:
    """Send ``content`` as a frame, without waiting for room. ConnectionError where the stream is closed."""
    if writer.is_closing():  # a TLS stream that was closed twice has forgotten all that it would write with
        raise ConnectionResetError("the connection is closed")
    writer.write(framed(content))


async def send(writer: asyncio.StreamWriter, content: bytes) -> None:
    """The same, and wait for room. ConnectionError where the connection is gone, whatever ended it."""
    try:
        put(writer, content)
        await writer.drain()
    except ConnectionError:
        raise
    except OSError as error:  # no route, a time-out of the kernel's, TLS
        raise ConnectionAbortedError(str(error)) from error


# --- to the conductor --------------------------------------------------------------------------------------------


def encode_to(message: ToConductor) -> bytes:
    """A message to the conductor as a frame's content."""
    return _to(message).SerializeToString()


def _to(message: ToConductor) -> wire.ToConductor:
    match message:
        case Attach(attempt, acknowledged):
            attach = wire.Attach(attempt=journal.encode_attempt(attempt), acknowledged=acknowledged)
            return wire.ToConductor(attach=attach)
        case Bundle():
            return wire.ToConductor(bundle=journal.encode_bundle(message))
        case Stored(seq):
            return wire.ToConductor(stored=wire.RecordsStored(seq=seq))
        case ChildChanged() | Stop() | Pause() | Resume():
            return wire.ToConductor(directive=journal.encode_directive(message))
        case Release():
            return wire.ToConductor(release=wire.Release())
        case FileTaken(file, offset, window, complete):
            taken = wire.FileTaken(file=file, offset=offset, window=window, complete=complete)
            return wire.ToConductor(file_taken=taken)
        case FileData(file, offset, data, last):
            return wire.ToConductor(file_data=wire.FileData(file=file, offset=offset, data=data, last=last))
        case FileRefused(file, reason, again):
            refused = wire.FileRefused(file=file, reason=checks.sentence(reason), again=again)
            return wire.ToConductor(file_refused=refused)
        case SecretValues(values):
            return wire.ToConductor(secrets=wire.SecretValues(values=values))
        case ContainerGone(container, reason, final):
            gone = wire.ContainerGone(container=container, reason=checks.sentence(reason), final=final)
            return wire.ToConductor(container_gone=gone)
        case _:
            assert_never(message)


def decode_to(content: bytes) -> ToConductor:
    """The reverse of ``encode_to``."""
    message = _parsed(wire.ToConductor.FromString, content)
    match message.WhichOneof("message"):
        case "attach":
            return Attach(journal.decode_attempt(message.attach.attempt), message.attach.acknowledged)
        case "bundle":
            return journal.decode_bundle(message.bundle)
        case "stored":
            return Stored(message.stored.seq)
        case "directive":
            return journal.decode_directive(message.directive)
        case "release":
            return Release()
        case "file_taken":
            taken = message.file_taken
            return FileTaken(taken.file, taken.offset, taken.window, taken.complete)
        case "file_data":
            data = message.file_data
            return FileData(data.file, data.offset, data.data, data.last)
        case "file_refused":
            refused = message.file_refused
            return FileRefused(refused.file, checks.text("a reason", refused.reason), refused.again)
        case "secrets":
            return SecretValues(checks.texts("secrets", message.secrets.values))
        case "container_gone":
            gone = message.container_gone
            return ContainerGone(gone.container, checks.text("a reason", gone.reason), gone.final)
        case None:
            raise WireError("a message to the conductor that this version does not know")
        case unknown:
            assert_never(unknown)


# --- from the conductor ------------------------------------------------------------------------------------------


def encode_from(message: FromConductor) -> bytes:
    """A message from the conductor as a frame's content."""
    return _from(message).SerializeToString()


def encode_packed(records: Iterable[bytes]) -> bytes:
    """``Records`` of what protos.codec.journal.pack made, without taking it apart."""
    return wire.FromConductor(
        records=wire.Records(records=[execution_pb2.Record.FromString(packed) for packed in records])
    ).SerializeToString()


def _from(message: FromConductor) -> wire.FromConductor:
    match message:
        case Attached(attempt, bundled, last, leaving):
            of = journal.encode_attempt(attempt)
            return wire.FromConductor(attached=wire.Attached(attempt=of, bundled=bundled, last=last, leaving=leaving))
        case Records(records):
            return wire.FromConductor(records=wire.Records(records=map(journal.encode_record, records)))
        case FileOffered(file, ref, name, size, digest, kind):
            transfer = kind is FileKind.TRANSFER
            offer = wire.FileOffer(file=file, ref=ref, name=name, size=size, digest=digest, transfer=transfer)
            return wire.FromConductor(file_offer=offer)
        case FileChunk(file, offset, data):
            return wire.FromConductor(file_chunk=wire.FileChunk(file=file, offset=offset, data=data))
        case FileWanted(file, digest, offset):
            return wire.FromConductor(file_wanted=wire.FileWanted(file=file, digest=digest, offset=offset))
        case _:
            assert_never(message)


def decode_from(content: bytes) -> FromConductor:
    """The reverse of ``encode_from``."""
    message = _parsed(wire.FromConductor.FromString, content)
    match message.WhichOneof("message"):
        case "attached":
            attached = message.attached
            of = journal.decode_attempt(attached.attempt)
            return Attached(of, attached.bundled, attached.last, attached.leaving)
        case "records":
            return Records(tuple(map(journal.decode_record, message.records.records)))
        case "file_offer":
            return _decode_offer(message.file_offer)
        case "file_chunk":
            chunk = message.file_chunk
            return FileChunk(chunk.file, chunk.offset, chunk.data)
        case "file_wanted":
            wanted = message.file_wanted
            return FileWanted(wanted.file, checks.digest(wanted.digest), wanted.offset)
        case None:
            raise WireError("a message from a conductor that this version does not know")
        case unknown:
            assert_never(unknown)


def _decode_offer(offer: wire.FileOffer) -> FileOffered:
    """An artifact has a step and a name; a transfer blob need not."""
    nameless = offer.transfer
    return FileOffered(
        file=offer.file,
        ref=StepRef("") if nameless and not offer.ref else checks.identifier(step_ref, offer.ref),
        name="" if nameless and not offer.name else checks.file_name(offer.name),
        size=offer.size,
        digest=checks.digest(offer.digest),
        kind=FileKind.TRANSFER if offer.transfer else FileKind.ARTIFACT,
    )


def _parsed(parse: Callable[[bytes], _Parsed], content: bytes) -> _Parsed:
    try:
        return parse(content)
    except DecodeError:
        raise WireError("these bytes are no message of this conversation") from None
