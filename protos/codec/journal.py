"""Journal entries, directives and bundles <-> protos/muster/v1/execution.proto.

Called by agent.conductor (its disk and its frames), agent.link, control_plane.rpc and the adapter that keeps journals.
Never imports grpc. Every ``decode`` checks what it is given and raises ``WireError``; so does ``encode`` for what the
peer would have to refuse.
"""

from __future__ import annotations

from typing import assert_never

from google.protobuf.message import DecodeError

from protos.codec import checks, children
from protos.codec.checks import WireError
from protos.muster.v1 import execution_pb2 as wire
from workflow.identifiers import Attempt, Instant, StepRef, execution_id, step_ref
from workflow.journal import (
    MAX_CHUNK,
    MAX_OUTPUT_VALUE,
    ArtifactStored,
    AttemptFinished,
    AttemptStarted,
    ChildChanged,
    ChildrenDropped,
    ChildrenResumed,
    ChildrenWanted,
    Directive,
    Entry,
    Output,
    Pause,
    Record,
    Resume,
    StepFinished,
    StepOutput,
    StepPaused,
    StepResumed,
    StepStarted,
    Stop,
    Stream,
    TransferStored,
)
from workflow.session import MAX_MESSAGE, Bundle
from workflow.states import FINAL, ExecutionState, StepStatus

MAX_RECORD = MAX_MESSAGE - 64
"""Bytes of one record at the most: it must fit into a message alone."""

_STREAMS: dict[Stream, wire.Stream.ValueType] = {
    Stream.STDOUT: wire.STREAM_STDOUT,
    Stream.STDERR: wire.STREAM_STDERR,
    Stream.SYSTEM: wire.STREAM_SYSTEM,
}
_STREAMS_BACK = {number: stream for stream, number in _STREAMS.items()}
_FINAL_STEPS = frozenset(status for status in StepStatus if status.final)
_STOPS = frozenset({ExecutionState.CANCELED, ExecutionState.ABORTED})


# --- bytes -------------------------------------------------------------------------------------------------------


def pack(record: Record) -> bytes:
    """A record as bytes, for disks: at most MAX_RECORD. The form is the wire's, so it outlives versions."""
    data = encode_record(record).SerializeToString()
    if len(data) > MAX_RECORD:
        raise WireError(f"record {record.seq} has {len(data)} bytes; {MAX_RECORD} are the most")
    return data


def unpack(data: bytes) -> Record:
    """The reverse of ``pack``."""
    try:
        return decode_record(wire.Record.FromString(data))
    except DecodeError:
        raise WireError("these bytes are no journal record") from None


# --- attempts ----------------------------------------------------------------------------------------------------


def encode_attempt(attempt: Attempt) -> wire.Attempt:
    return wire.Attempt(execution=attempt.execution, number=attempt.number)


def decode_attempt(message: wire.Attempt) -> Attempt:
    if message.number < 1:
        raise WireError("attempts are numbered from 1")
    return Attempt(checks.identifier(execution_id, message.execution), message.number)


# --- records -----------------------------------------------------------------------------------------------------


def encode_record(record: Record) -> wire.Record:
    """A record as a message."""
    message = wire.Record(seq=record.seq, at=record.entry.at)
    _put_entry(message, record.entry)
    return message


def _put_entry(message: wire.Record, entry: Entry) -> None:
    """A table: one case an entry, the commonest first."""
    match entry:
        case Output():
            if len(entry.data) > MAX_CHUNK:
                raise WireError(f"an output has {len(entry.data)} bytes; {MAX_CHUNK} are the most")
            body = message.output
            body.ref, body.stream, body.data = entry.ref, _STREAMS[entry.stream], entry.data
        case StepStarted():
            message.step_started.MergeFrom(wire.StepStarted(ref=entry.ref, iteration=entry.iteration))
        case StepFinished():
            message.step_finished.MergeFrom(
                wire.StepFinished(
                    ref=entry.ref,
                    status=entry.status,
                    exit_code=entry.exit_code,
                    reason=checks.sentence(entry.reason),
                    dropped=entry.dropped,
                )
            )
        case StepOutput():
            value = checks.sentence(entry.value)
            if len(value.encode()) > MAX_OUTPUT_VALUE:
                raise WireError(f"the value of step output {entry.key[:80]!r} has more than {MAX_OUTPUT_VALUE} bytes")
            message.step_output.MergeFrom(wire.StepOutput(ref=entry.ref, key=entry.key, value=value))
        case StepPaused():
            message.step_paused.ref = entry.ref
        case StepResumed():
            message.step_resumed.ref = entry.ref
        case ArtifactStored():
            message.artifact_stored.MergeFrom(
                wire.ArtifactStored(ref=entry.ref, name=entry.name, size=entry.size, digest=entry.digest)
            )
        case TransferStored():
            message.transfer_stored.MergeFrom(wire.TransferStored(ref=entry.ref, digest=entry.digest, to=entry.to))
        case ChildrenWanted():
            specs = [children.encode_spec(child) for child in entry.children]
            message.children_wanted.MergeFrom(wire.ChildrenWanted(ref=entry.ref, children=specs))
        case ChildrenDropped():
            message.children_dropped.MergeFrom(
                wire.ChildrenDropped(
                    ref=entry.ref,
                    indices=entry.indices,
                    reason=checks.sentence(entry.reason),
                    expected=entry.expected,
                )
            )
        case ChildrenResumed():
            message.children_resumed.MergeFrom(wire.ChildrenResumed(ref=entry.ref, indices=entry.indices))
        case AttemptStarted():
            message.attempt_started.SetInParent()
            message.attempt_started.conductor = checks.sentence(entry.conductor)
            message.attempt_started.host = checks.sentence(entry.host)
        case AttemptFinished():
            message.attempt_finished.state = entry.state
            message.attempt_finished.reason = checks.sentence(entry.reason)
        case _:
            assert_never(entry)


def decode_record(message: wire.Record) -> Record:
    """A message as a record."""
    if message.seq < 1:
        raise WireError("records are numbered from 1")
    return Record(message.seq, _entry(message, Instant(message.at)))


def _entry(message: wire.Record, at: Instant) -> Entry:
    """A table: one case an entry, the commonest first."""
    match message.WhichOneof("entry"):
        case "output":
            return _decode_output(message.output, at)
        case "step_started":
            return StepStarted(at, _ref(message.step_started.ref), message.step_started.iteration)
        case "step_finished":
            return _decode_finished(message.step_finished, at)
        case "step_output":
            return _decode_step_output(message.step_output, at)
        case "step_paused":
            return StepPaused(at, _ref(message.step_paused.ref))
        case "step_resumed":
            return StepResumed(at, _ref(message.step_resumed.ref))
        case "artifact_stored":
            return _decode_artifact(message.artifact_stored, at)
        case "transfer_stored":
            transfer = message.transfer_stored
            path = checks.text("a transfer's path", transfer.to)
            return TransferStored(at, _ref(transfer.ref), checks.digest(transfer.digest), path)
        case "children_wanted":
            wanted = message.children_wanted
            specs = checks.items("children", map(children.decode_spec, wanted.children))
            return ChildrenWanted(at, _ref(wanted.ref), specs)
        case "children_dropped":
            dropped = message.children_dropped
            indices = checks.items("children", dropped.indices)
            return ChildrenDropped(at, _ref(dropped.ref), indices, _reason(dropped.reason), dropped.expected)
        case "children_resumed":
            resumed = message.children_resumed
            return ChildrenResumed(at, _ref(resumed.ref), checks.items("children", resumed.indices))
        case "attempt_started":
            started = message.attempt_started
            return AttemptStarted(at, checks.text("a version", started.conductor), checks.text("a host", started.host))
        case "attempt_finished":
            finished = message.attempt_finished
            return AttemptFinished(at, checks.choice(ExecutionState, finished.state, FINAL), _reason(finished.reason))
        case None:
            raise WireError(f"record {message.seq} holds an entry that this version does not know")
        case unknown:
            assert_never(unknown)


def _ref(value: str) -> StepRef:
    return checks.identifier(step_ref, value)


def _reason(value: str) -> str:
    return checks.text("a reason", value)


def _decode_output(body: wire.Output, at: Instant) -> Output:
    data = body.data
    if len(data) > MAX_CHUNK:
        raise WireError(f"an output has {len(data)} bytes; {MAX_CHUNK} are the most")
    stream = _STREAMS_BACK.get(body.stream)
    if stream is None:
        raise WireError(f"{body.stream} is no stream")
    return Output(at, _ref(body.ref), stream, data)


def _decode_finished(body: wire.StepFinished, at: Instant) -> StepFinished:
    status = checks.choice(StepStatus, body.status, _FINAL_STEPS)
    exit_code = body.exit_code if body.HasField("exit_code") else None
    return StepFinished(at, _ref(body.ref), status, exit_code, _reason(body.reason), body.dropped)


def _decode_step_output(body: wire.StepOutput, at: Instant) -> StepOutput:
    if len(body.value.encode()) > MAX_OUTPUT_VALUE:
        raise WireError(f"the value of step output {body.key[:80]!r} has more than {MAX_OUTPUT_VALUE} bytes")
    return StepOutput(at, _ref(body.ref), checks.text("a step output's key", body.key), body.value)


def _decode_artifact(body: wire.ArtifactStored, at: Instant) -> ArtifactStored:
    return ArtifactStored(at, _ref(body.ref), checks.file_name(body.name), body.size, checks.digest(body.digest))


# --- directives --------------------------------------------------------------------------------------------------


def encode_directive(directive: Directive) -> wire.Directive:
    match directive:
        case ChildChanged():
            return wire.Directive(child_changed=children.encode_changed(directive))
        case Stop():
            return wire.Directive(stop=wire.Stop(state=directive.state, reason=checks.sentence(directive.reason)))
        case Pause():
            return wire.Directive(pause=wire.Pause())
        case Resume():
            return wire.Directive(resume=wire.Resume())
        case _:
            assert_never(directive)


def decode_directive(message: wire.Directive) -> Directive:
    match message.WhichOneof("directive"):
        case "child_changed":
            return children.decode_changed(message.child_changed)
        case "stop":
            return Stop(checks.choice(ExecutionState, message.stop.state, _STOPS), _reason(message.stop.reason))
        case "pause":
            return Pause()
        case "resume":
            return Resume()
        case None:
            raise WireError("a directive that this version does not know")
        case unknown:
            assert_never(unknown)


# --- bundles -----------------------------------------------------------------------------------------------------


def encode_bundle(bundle: Bundle) -> wire.Bundle:
    return wire.Bundle(
        attempt=encode_attempt(bundle.attempt),
        plan_json=bundle.plan,
        variables_json=checks.to_json("a bundle's variables", bundle.variables),
        transfers=children.encode_transfers(bundle.transfers),
        annotations=bundle.annotations,
        log_limit=bundle.log_limit,
    )


def decode_bundle(message: wire.Bundle) -> Bundle:
    return Bundle(
        attempt=decode_attempt(message.attempt),
        plan=message.plan_json,
        variables=checks.from_json("a bundle's variables", message.variables_json),
        transfers=checks.pairs(message.transfers),
        annotations=checks.texts("annotations", message.annotations),
        log_limit=message.log_limit,
    )
