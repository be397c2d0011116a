"""What agent and conductor say to each other, as frames on a stream: a 4-byte big-endian length, then one message.

Called by the conductor's host on one side and by the executors on the other. Never imports grpc. What stands in the
messages is told in agent.ports.conductor, the order in protos/muster/v1/conductor.proto.
"""

from __future__ import annotations

from asyncio import IncompleteReadError, StreamReader, StreamWriter
from typing import assert_never

from google.protobuf.message import DecodeError

from agent.ports.conductor import (
    Attach,
    Attached,
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
from workflow.identifiers import StepRef, step_ref
from workflow.journal import ChildChanged, Pause, Resume, Stop
from workflow.session import MAX_MESSAGE, Bundle, FileKind

_HEADER = 4


# --- frames ------------------------------------------------------------------------------------------------------


async def read_frame(reader: StreamReader) -> bytes | None:
    """The next frame's bytes; None where the stream ended, even in the middle of one. WireError where too large."""
    try:
        size = int.from_bytes(await reader.readexactly(_HEADER), "big")
        if size > MAX_MESSAGE:
            raise WireError(f"a frame of {size} bytes; {MAX_MESSAGE} are the most")
        return await reader.readexactly(size)
    except IncompleteReadError:
        return None


async def write_frame(writer: StreamWriter, message: bytes) -> None:
    """Send one frame; waits while the buffer is full. WireError where too large, ConnectionError where broken."""
    writer.writelines((_header(message), message))
    await writer.drain()


def frame(message: bytes) -> bytes:
    """One frame as bytes, for who writes by other means."""
    return _header(message) + message


def _header(message: bytes) -> bytes:
    if len(message) > MAX_MESSAGE:
        raise WireError(f"a frame of {len(message)} bytes; {MAX_MESSAGE} are the most")
    return len(message).to_bytes(_HEADER, "big")


# --- encode ------------------------------------------------------------------------------------------------------


def encode(message: ToConductor | FromConductor) -> bytes:
    """A message as the bytes of one frame, without its length. WireError for what the peer would have to refuse."""
    match message:
        case Attached() | Records() | FileOffered() | FileChunk() | FileWanted():
            return _encode_from(message).SerializeToString()
        case _:
            return _encode_to(message).SerializeToString()


def _encode_to(message: ToConductor) -> wire.ToConductor:
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
        case _:
            assert_never(message)


def _encode_from(message: FromConductor) -> wire.FromConductor:
    match message:
        case Records(records):
            found = wire.Records(records=[journal.encode_record(record) for record in records])
            return wire.FromConductor(records=found)
        case Attached(attempt, bundled, last):
            attached = wire.Attached(attempt=journal.encode_attempt(attempt), bundled=bundled, last=last)
            return wire.FromConductor(attached=attached)
        case FileOffered():
            return wire.FromConductor(file_offer=_encode_offer(message))
        case FileChunk(file, offset, data):
            return wire.FromConductor(file_chunk=wire.FileChunk(file=file, offset=offset, data=data))
        case FileWanted(file, digest, offset):
            return wire.FromConductor(file_wanted=wire.FileWanted(file=file, digest=digest, offset=offset))
        case _:
            assert_never(message)


def _encode_offer(offer: FileOffered) -> wire.FileOffer:
    return wire.FileOffer(
        file=offer.file,
        ref=offer.ref,
        name=offer.name,
        size=offer.size,
        digest=offer.digest,
        transfer=offer.kind is FileKind.TRANSFER,
    )


# --- decode ------------------------------------------------------------------------------------------------------


def decode_to(data: bytes) -> ToConductor:
    """What an agent said. WireError."""
    try:
        message = wire.ToConductor.FromString(data)
    except DecodeError:
        raise WireError("a frame that is no message") from None
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
            body = message.file_data
            return FileData(body.file, body.offset, body.data, body.last)
        case "file_refused":
            refused = message.file_refused
            return FileRefused(refused.file, checks.text("a reason", refused.reason), refused.again)
        case "secrets":
            return SecretValues(checks.texts("secrets", message.secrets.values))
        case None:
            raise WireError("a message that this version does not know")
        case unknown:
            assert_never(unknown)


def decode_from(data: bytes) -> FromConductor:
    """What a conductor said. WireError."""
    try:
        message = wire.FromConductor.FromString(data)
    except DecodeError:
        raise WireError("a frame that is no message") from None
    match message.WhichOneof("message"):
        case "records":
            return Records(tuple(map(journal.decode_record, message.records.records)))
        case "attached":
            attached = message.attached
            return Attached(journal.decode_attempt(attached.attempt), attached.bundled, attached.last)
        case "file_offer":
            return _decode_offer(message.file_offer)
        case "file_chunk":
            chunk = message.file_chunk
            return FileChunk(chunk.file, chunk.offset, chunk.data)
        case "file_wanted":
            wanted = message.file_wanted
            return FileWanted(wanted.file, checks.digest(wanted.digest), wanted.offset)
        case None:
            raise WireError("a message that this version does not know")
        case unknown:
            assert_never(unknown)


def _decode_offer(offer: wire.FileOffer) -> FileOffered:
    """A transfer blob may have no step and no name; an artifact has both."""
    kind = FileKind.TRANSFER if offer.transfer else FileKind.ARTIFACT
    nameless = kind is FileKind.TRANSFER
    return FileOffered(
        file=offer.file,
        ref=StepRef("") if nameless and not offer.ref else checks.identifier(step_ref, offer.ref),
        name="" if nameless and not offer.name else checks.file_name(offer.name),
        size=offer.size,
        digest=checks.digest(offer.digest),
        kind=kind,
    )
