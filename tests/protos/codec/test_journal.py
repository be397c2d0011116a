"""Every entry, directive and bundle survives the wire; nothing that no honest peer sends gets in."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
from hypothesis import given

from protos.codec import journal
from protos.codec.checks import MAX_TEXT, WireError
from protos.muster.v1 import execution_pb2 as wire
from tests.protos.codec import values
from tests.speed import least
from workflow.identifiers import Attempt, Instant, StepRef
from workflow.journal import (
    MAX_CHUNK,
    AttemptFinished,
    ChildKind,
    ChildrenWanted,
    ChildSpec,
    Directive,
    Entry,
    Output,
    Record,
    StepOutput,
    Stream,
)
from workflow.session import Bundle
from workflow.states import ExecutionState

NOW = Instant(1)
REF = StepRef("1.2")
DIGEST = "sha256:" + "0" * 64


def test_the_strategies_know_every_kind() -> None:
    assert set(values.ENTRIES) == set(get_args(Entry))
    assert set(values.DIRECTIVES) == set(get_args(Directive))


@given(values.records)
def test_a_record_survives(record: Record) -> None:
    assert journal.unpack(journal.pack(record)) == record


@given(values.directives)
def test_a_directive_survives(directive: Directive) -> None:
    data = journal.encode_directive(directive).SerializeToString()
    assert journal.decode_directive(wire.Directive.FromString(data)) == directive


@given(values.bundles)
def test_a_bundle_survives(bundle: Bundle) -> None:
    data = journal.encode_bundle(bundle).SerializeToString()
    assert journal.decode_bundle(wire.Bundle.FromString(data)) == bundle


@given(values.attempts)
def test_an_attempt_survives(attempt: Attempt) -> None:
    assert journal.decode_attempt(journal.encode_attempt(attempt)) == attempt


HOSTILE = {
    "no number": wire.Record(seq=0, step_paused=wire.StepPaused(ref="1")),
    "no entry": wire.Record(seq=1),
    "a reference that is none": wire.Record(seq=1, step_paused=wire.StepPaused(ref="../1")),
    "a reference with a newline": wire.Record(seq=1, step_paused=wire.StepPaused(ref="1\n")),
    "no stream": wire.Record(seq=1, output=wire.Output(ref="1", data=b"x")),
    "an unknown stream": wire.Record(seq=1, output=wire.Output(ref="1", stream=9, data=b"x")),  # type: ignore[arg-type]
    "too much output": wire.Record(
        seq=1, output=wire.Output(ref="1", stream=wire.STREAM_STDOUT, data=bytes(MAX_CHUNK + 1))
    ),
    "a status that is none": wire.Record(seq=1, step_finished=wire.StepFinished(ref="1", status="great")),
    "a status that is not final": wire.Record(seq=1, step_finished=wire.StepFinished(ref="1", status="running")),
    "a state that is not final": wire.Record(seq=1, attempt_finished=wire.AttemptFinished(state="running")),
    "an endless reason": wire.Record(
        seq=1, attempt_finished=wire.AttemptFinished(state="passed", reason="x" * (MAX_TEXT + 1))
    ),
    "too long a value": wire.Record(seq=1, step_output=wire.StepOutput(ref="1", key="k", value="ä" * 2049)),
    "a climbing name": wire.Record(
        seq=1, artifact_stored=wire.ArtifactStored(ref="1", name="a/../../b", digest=DIGEST)
    ),
    "an absolute name": wire.Record(seq=1, artifact_stored=wire.ArtifactStored(ref="1", name="/a", digest=DIGEST)),
    "an empty name": wire.Record(seq=1, artifact_stored=wire.ArtifactStored(ref="1", digest=DIGEST)),
    "a name with NUL": wire.Record(seq=1, artifact_stored=wire.ArtifactStored(ref="1", name="a\0", digest=DIGEST)),
    "a name with a newline": wire.Record(
        seq=1, artifact_stored=wire.ArtifactStored(ref="1", name="a\nb", digest=DIGEST)
    ),
    "a Windows path": wire.Record(seq=1, artifact_stored=wire.ArtifactStored(ref="1", name="C:\\a", digest=DIGEST)),
    "too long a name": wire.Record(seq=1, artifact_stored=wire.ArtifactStored(ref="1", name="ä" * 513, digest=DIGEST)),
    "a digest that is none": wire.Record(seq=1, transfer_stored=wire.TransferStored(ref="1", digest="md5:0")),
    "too many children": wire.Record(seq=1, children_resumed=wire.ChildrenResumed(ref="1", indices=range(10_001))),
    **{
        f"a child's config that is {what}": wire.Record(
            seq=1,
            children_wanted=wire.ChildrenWanted(ref="1", children=[wire.ChildSpec(kind="worker", config_json=text)]),
        )
        for what, text in {
            "no JSON": "{",
            "no object": "[]",
            "not a number": '{"a": NaN}',
            "too large a number": '{"a": 1e999}',
            "half a surrogate pair": r'{"a": "\ud800"}',
            "too deep": "[" * 100_000,
        }.items()
    },
    "a child of no kind": wire.Record(
        seq=1, children_wanted=wire.ChildrenWanted(ref="1", children=[wire.ChildSpec(kind="spy")])
    ),
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_record_is_refused(message: wire.Record) -> None:
    with pytest.raises(WireError) as refusal:
        journal.decode_record(message)
    assert len(refusal.value.reason) < 500


@pytest.mark.parametrize(
    "message",
    [
        wire.Directive(),
        wire.Directive(stop=wire.Stop(state="passed")),
        wire.Directive(child_changed=wire.ChildChanged(ref="1", execution="UPPER", state="passed")),
        wire.Directive(child_changed=wire.ChildChanged(ref="1", execution="e", state="passed", address="a b;c")),
    ],
    ids=["empty", "a stop that is none", "an id that is none", "an address that is none"],
)
def test_a_hostile_directive_is_refused(message: wire.Directive) -> None:
    with pytest.raises(WireError):
        journal.decode_directive(message)


@pytest.mark.parametrize("attempt", [wire.Attempt(execution="e"), wire.Attempt(execution="", number=1)])
def test_a_hostile_attempt_is_refused(attempt: wire.Attempt) -> None:
    with pytest.raises(WireError):
        journal.decode_attempt(attempt)


def test_bytes_that_are_no_record_are_refused() -> None:
    with pytest.raises(WireError):
        journal.unpack(b"\xff\xff\xff")


def test_what_is_too_large_is_not_sent() -> None:
    children = tuple(ChildSpec(ChildKind.WORKER, n, variables={"x": "y" * 1000}) for n in range(2000))
    for entry in (
        Output(NOW, REF, Stream.STDOUT, bytes(MAX_CHUNK + 1)),
        StepOutput(NOW, REF, "key", "x" * 4097),
        ChildrenWanted(NOW, REF, children),
    ):
        with pytest.raises(WireError):
            journal.pack(Record(1, entry))


def test_a_long_or_broken_reason_is_mended_when_sent() -> None:
    record = Record(1, AttemptFinished(NOW, ExecutionState.FAILED, "\udc80" + "é" * 10_000))
    entry = journal.unpack(journal.pack(record)).entry
    assert isinstance(entry, AttemptFinished)
    assert entry.reason.startswith("?é")
    assert entry.reason.endswith("…")


def test_the_codec_does_not_load_grpc() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys, protos.codec.journal, protos.codec.session; print('grpc' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "False"


def test_an_output_costs_microseconds() -> None:
    record = Record(7, Output(NOW, REF, Stream.STDOUT, b"x" * 1000))
    data = journal.pack(record)
    assert least(lambda: _there_and_back(record, data), 5) / 1000 < 100e-6  # measured: about 5 us for both ways


def _there_and_back(record: Record, data: bytes) -> None:
    for _ in range(1000):
        journal.pack(record)
        journal.unpack(data)
