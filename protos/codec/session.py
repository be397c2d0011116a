"""The conversation of an agent and its control plane <-> protos/muster/v1/control.proto.

Called by agent.link and control_plane.rpc, which hand the messages to gRPC; this module itself never imports grpc.
Every ``decode`` checks what it is given and raises ``WireError``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from protos.codec import checks, journal
from protos.codec.checks import WireError
from protos.muster.v1 import control_pb2 as wire
from protos.muster.v1 import execution_pb2
from workflow.identifiers import Attempt, Instant, StepRef, step_ref
from workflow.journal import Directive, Record
from workflow.session import (
    MAX_MESSAGE,
    MAX_NOTE,
    MOST_NOTES,
    Accept,
    AgentSays,
    Assign,
    AttemptLost,
    ChildAddress,
    ControlSays,
    Decline,
    Drain,
    Draining,
    FileKind,
    FileOffer,
    FilePosition,
    Heartbeat,
    Hello,
    LeaseRenewed,
    Noticed,
    Taking,
    Undrain,
    Welcome,
    Withdraw,
)

MAX_UPLOAD_CHUNK = 512 * 1024
"""Bytes of one chunk of a file at the most."""
_WRAPPING = 8  # bytes around each record of a batch
_BATCH = MAX_MESSAGE - 2 * _WRAPPING
_MAX_SIGNED = 2**63 - 1  # what databases and files can count to


# --- the agent says ----------------------------------------------------------------------------------------------


def encode_agent(message: Hello | AgentSays) -> wire.AgentMessage:
    match message:
        case Hello():
            return wire.AgentMessage(hello=_encode_hello(message))
        case Accept(attempt):
            return wire.AgentMessage(accept=wire.Accept(attempt=journal.encode_attempt(attempt)))
        case Decline(attempt, reason, final):
            declined = wire.Decline(
                attempt=journal.encode_attempt(attempt), reason=checks.sentence(reason), final=final
            )
            return wire.AgentMessage(decline=declined)
        case Heartbeat(held):
            return wire.AgentMessage(heartbeat=wire.Heartbeat(held=map(journal.encode_attempt, held)))
        case AttemptLost(attempt, reason):
            lost = wire.AttemptLost(attempt=journal.encode_attempt(attempt), reason=checks.sentence(reason))
            return wire.AgentMessage(attempt_lost=lost)
        case Draining():
            return wire.AgentMessage(draining=wire.Draining())
        case Taking():
            return wire.AgentMessage(taking=wire.Taking())
        case ChildAddress(attempt, address, ready):
            found = wire.ChildAddress(attempt=journal.encode_attempt(attempt), address=address, ready=ready)
            return wire.AgentMessage(address=found)
        case Noticed(attempt, notes):
            lines = [checks.sentence(note)[:MAX_NOTE] for note in notes[:MOST_NOTES]]
            return wire.AgentMessage(noticed=wire.Noticed(attempt=journal.encode_attempt(attempt), notes=lines))
        case _:
            assert_never(message)


def decode_agent(message: wire.AgentMessage) -> Hello | AgentSays:
    match message.WhichOneof("message"):
        case "hello":
            return _decode_hello(message.hello)
        case "accept":
            return Accept(journal.decode_attempt(message.accept.attempt))
        case "decline":
            declined = message.decline
            return Decline(journal.decode_attempt(declined.attempt), _reason(declined.reason), declined.final)
        case "heartbeat":
            return Heartbeat(_attempts(message.heartbeat.held))
        case "attempt_lost":
            lost = message.attempt_lost
            return AttemptLost(journal.decode_attempt(lost.attempt), _reason(lost.reason))
        case "draining":
            return Draining()
        case "taking":
            return Taking()
        case "address":
            found = message.address
            return ChildAddress(journal.decode_attempt(found.attempt), checks.address(found.address), found.ready)
        case "noticed":
            noticed = message.noticed
            notes = checks.items("notes", (checks.text("a note", note, MAX_NOTE) for note in noticed.notes), MOST_NOTES)
            return Noticed(journal.decode_attempt(noticed.attempt), notes)
        case None:
            raise WireError("an agent's message that this version does not know")
        case unknown:
            assert_never(unknown)


def _encode_hello(hello: Hello) -> wire.Hello:
    return wire.Hello(
        protocol=hello.protocol,
        oldest_protocol=hello.oldest_protocol,
        language=hello.language,
        agent_version=checks.sentence(hello.agent_version),
        executor=hello.executor,
        max_concurrent=hello.max_concurrent,
        held=map(journal.encode_attempt, hello.held),
        clock=hello.clock,
    )


def _decode_hello(hello: wire.Hello) -> Hello:
    return Hello(
        agent_version=checks.text("a version", hello.agent_version, 100),
        executor=checks.text("an executor's kind", hello.executor, 100),
        max_concurrent=hello.max_concurrent,
        held=_attempts(hello.held),
        clock=Instant(hello.clock),
        protocol=hello.protocol,
        oldest_protocol=hello.oldest_protocol,
        language=hello.language,
    )


def _attempts(messages: Iterable[execution_pb2.Attempt]) -> tuple[Attempt, ...]:
    return checks.items("attempts", map(journal.decode_attempt, messages))


def _reason(value: str) -> str:
    return checks.text("a reason", value)


# --- the control plane says --------------------------------------------------------------------------------------


def encode_control(message: Welcome | ControlSays) -> wire.ControlMessage:
    match message:
        case Welcome():
            return wire.ControlMessage(welcome=_encode_welcome(message))
        case Assign(bundle, service, secrets):
            assigned = wire.Assign(bundle=journal.encode_bundle(bundle), service=service, secrets=secrets)
            return wire.ControlMessage(assign=assigned)
        case Withdraw(attempt, reason):
            withdrawn = wire.Withdraw(attempt=journal.encode_attempt(attempt), reason=checks.sentence(reason))
            return wire.ControlMessage(withdraw=withdrawn)
        case LeaseRenewed(clock):
            return wire.ControlMessage(lease_renewed=wire.LeaseRenewed(clock=clock))
        case Drain():
            return wire.ControlMessage(drain=wire.Drain())
        case Undrain():
            return wire.ControlMessage(undrain=wire.Undrain())
        case _:
            assert_never(message)


def decode_control(message: wire.ControlMessage) -> Welcome | ControlSays:
    match message.WhichOneof("message"):
        case "welcome":
            return _decode_welcome(message.welcome)
        case "assign":
            secrets = checks.texts("secrets", message.assign.secrets)
            return Assign(journal.decode_bundle(message.assign.bundle), message.assign.service, secrets)
        case "withdraw":
            withdrawn = message.withdraw
            return Withdraw(journal.decode_attempt(withdrawn.attempt), _reason(withdrawn.reason))
        case "lease_renewed":
            return LeaseRenewed(Instant(message.lease_renewed.clock))
        case "drain":
            return Drain()
        case "undrain":
            return Undrain()
        case None:
            raise WireError("a control plane's message that this version does not know")
        case unknown:
            assert_never(unknown)


def _encode_welcome(welcome: Welcome) -> wire.Welcome:
    return wire.Welcome(
        protocol=welcome.protocol,
        control_plane_version=welcome.version,
        session=welcome.session,
        heartbeat_ms=welcome.heartbeat_ms,
        lease_ms=welcome.lease_ms,
        abandoned=map(journal.encode_attempt, welcome.abandoned),
        labels=welcome.labels,
    )


def _decode_welcome(welcome: wire.Welcome) -> Welcome:
    if welcome.heartbeat_ms < 1 or welcome.lease_ms < 1:
        raise WireError("a welcome names the heartbeat and the lease in milliseconds, at least 1")
    return Welcome(
        session=welcome.session,
        heartbeat_ms=welcome.heartbeat_ms,
        lease_ms=welcome.lease_ms,
        abandoned=_attempts(welcome.abandoned),
        labels=checks.texts("labels", welcome.labels),
        protocol=welcome.protocol,
        version=checks.text("a version", welcome.control_plane_version),
    )


# --- journals ----------------------------------------------------------------------------------------------------


def encode_header(attempt: Attempt) -> wire.JournalUp:
    """The first message up."""
    return wire.JournalUp(header=wire.JournalHeader(attempt=journal.encode_attempt(attempt)))


def encode_batches(records: Iterable[Record]) -> list[wire.JournalUp]:
    """Further messages up, as few as can be, each of at most MAX_MESSAGE bytes. WireError for a record that is larger
    alone."""
    groups: list[list[execution_pb2.Record]] = []
    room = 0
    for record in records:
        message = journal.encode_record(record)
        size = message.ByteSize() + _WRAPPING
        if size > journal.MAX_RECORD:
            raise WireError(f"record {record.seq} has {size} bytes; {journal.MAX_RECORD} are the most")
        if size > room:
            groups.append([])
            room = _BATCH
        groups[-1].append(message)
        room -= size
    return [wire.JournalUp(batch=wire.JournalBatch(records=group)) for group in groups]


def decode_up(message: wire.JournalUp) -> Attempt | Sequence[Record]:
    """A header as its attempt, a batch as its records."""
    match message.WhichOneof("message"):
        case "batch":
            return [journal.decode_record(record) for record in message.batch.records]
        case "header":
            return journal.decode_attempt(message.header.attempt)
        case None:
            raise WireError("a journal message that this version does not know")
        case unknown:
            assert_never(unknown)


def encode_down(message: int | Directive) -> wire.JournalDown:
    """An acknowledged number, or a directive."""
    if isinstance(message, int):
        return wire.JournalDown(acknowledged=wire.Acknowledged(seq=message))
    return wire.JournalDown(directive=journal.encode_directive(message))


def decode_down(message: wire.JournalDown) -> int | Directive:
    match message.WhichOneof("message"):
        case "acknowledged":
            return message.acknowledged.seq
        case "directive":
            return journal.decode_directive(message.directive)
        case None:
            raise WireError("a journal message that this version does not know")
        case unknown:
            assert_never(unknown)


# --- files -------------------------------------------------------------------------------------------------------

_KINDS: dict[FileKind, wire.ArtifactKind.ValueType] = {
    FileKind.ARTIFACT: wire.ARTIFACT_KIND_ARTIFACT,
    FileKind.TRANSFER: wire.ARTIFACT_KIND_TRANSFER,
}
_KINDS_BACK = {number: kind for kind, number in _KINDS.items()}


def encode_offer(offer: FileOffer) -> wire.UploadBegin:
    return wire.UploadBegin(
        attempt=journal.encode_attempt(offer.attempt),
        ref=offer.ref,
        name=offer.name,
        size=offer.size,
        digest=offer.digest,
        kind=_KINDS[offer.kind],
    )


def decode_offer(message: wire.UploadBegin) -> FileOffer:
    """A transfer blob may have no step and no name; an artifact has both."""
    kind = _KINDS_BACK.get(message.kind)
    if kind is None:
        raise WireError(f"{message.kind} is no kind of file")
    nameless = kind is FileKind.TRANSFER
    return FileOffer(
        attempt=journal.decode_attempt(message.attempt),
        ref=StepRef("") if nameless and not message.ref else checks.identifier(step_ref, message.ref),
        name="" if nameless and not message.name else checks.file_name(message.name),
        size=_count("a file's size", message.size),
        digest=checks.digest(message.digest),
        kind=kind,
    )


def encode_position(position: FilePosition) -> wire.UploadPosition:
    return wire.UploadPosition(upload=position.upload, offset=position.offset, complete=position.complete)


def decode_position(message: wire.UploadPosition) -> FilePosition:
    upload = checks.text("an upload's id", message.upload, 256)
    return FilePosition(upload, _count("an offset", message.offset), message.complete)


def decode_chunk(message: wire.UploadChunk) -> tuple[str, int, bytes]:
    """(upload, "" in all but the first; offset; data)."""
    data = message.data
    if len(data) > MAX_UPLOAD_CHUNK:
        raise WireError(f"a chunk of {len(data)} bytes; {MAX_UPLOAD_CHUNK} are the most")
    return checks.text("an upload's id", message.upload, 256), _count("an offset", message.offset), data


def decode_download(message: wire.DownloadRequest) -> tuple[Attempt, str, int]:
    """(attempt, digest, offset)."""
    attempt = journal.decode_attempt(message.attempt)
    return attempt, checks.digest(message.digest), _count("an offset", message.offset)


def _count(what: str, value: int) -> int:
    if value > _MAX_SIGNED:
        raise WireError(f"{what} of {value} is beyond {_MAX_SIGNED}")
    return value
