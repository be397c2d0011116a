"""Everything that agent and control plane say survives the wire; nothing hostile gets in."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from protos.codec import journal, session
from protos.codec.checks import WireError
from protos.muster.v1 import control_pb2 as wire
from protos.muster.v1 import execution_pb2
from tests.protos.codec import values
from workflow.identifiers import Attempt, Instant, StepRef
from workflow.journal import MAX_CHUNK, ChildKind, ChildrenWanted, ChildSpec, Directive, Output, Record, Stream
from workflow.session import (
    MAX_MESSAGE,
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

several = st.lists(values.attempts, max_size=4).map(tuple)

AGENT: dict[type, SearchStrategy[Hello | AgentSays]] = {
    Hello: st.builds(
        Hello,
        agent_version=values.words,
        executor=values.words,
        max_concurrent=values.numbers,
        held=several,
        clock=values.instants,
        protocol=values.numbers,
        oldest_protocol=values.numbers,
        language=values.numbers,
    ),
    Accept: st.builds(Accept, values.attempts),
    Decline: st.builds(Decline, values.attempts, values.words, st.booleans()),
    Heartbeat: st.builds(Heartbeat, several),
    AttemptLost: st.builds(AttemptLost, values.attempts, values.words),
    Draining: st.builds(Draining),
    Taking: st.builds(Taking),
    ChildAddress: st.builds(ChildAddress, values.attempts, values.addresses, st.booleans()),
    Noticed: st.builds(Noticed, values.attempts, st.lists(values.words, max_size=20).map(tuple)),
}
CONTROL: dict[type, SearchStrategy[Welcome | ControlSays]] = {
    Welcome: st.builds(
        Welcome,
        session=values.counts,
        heartbeat_ms=st.integers(1, 2**32 - 1),
        lease_ms=st.integers(1, 2**32 - 1),
        abandoned=several,
        labels=values.labels,
        protocol=values.numbers,
        version=values.words,
    ),
    Assign: st.builds(Assign, values.bundles, st.booleans(), values.labels),
    Withdraw: st.builds(Withdraw, values.attempts, values.words),
    LeaseRenewed: st.builds(LeaseRenewed, values.instants),
    Drain: st.builds(Drain),
    Undrain: st.builds(Undrain),
}
offers = st.builds(
    FileOffer, values.attempts, values.refs, values.file_names, values.counts, values.digests, st.sampled_from(FileKind)
) | st.builds(
    FileOffer,
    values.attempts,
    st.just(StepRef("")),
    st.just(""),
    values.counts,
    values.digests,
    st.just(FileKind.TRANSFER),
)


def test_the_strategies_know_every_kind() -> None:
    assert set(AGENT) == {Hello, *get_args(AgentSays)}
    assert set(CONTROL) == {Welcome, *get_args(ControlSays)}


@given(st.one_of(*AGENT.values()))
def test_what_the_agent_says_survives(message: Hello | AgentSays) -> None:
    data = session.encode_agent(message).SerializeToString()
    assert session.decode_agent(wire.AgentMessage.FromString(data)) == message


@given(st.one_of(*CONTROL.values()))
def test_what_the_control_plane_says_survives(message: Welcome | ControlSays) -> None:
    data = session.encode_control(message).SerializeToString()
    assert session.decode_control(wire.ControlMessage.FromString(data)) == message


@given(values.attempts, st.lists(values.records, max_size=4))
def test_a_journal_going_up_survives(attempt: Attempt, records: list[Record]) -> None:
    assert session.decode_up(session.encode_header(attempt)) == attempt
    arrived: list[Record] = []
    for message in session.encode_batches(records):
        batch = session.decode_up(wire.JournalUp.FromString(message.SerializeToString()))
        assert not isinstance(batch, Attempt)
        arrived.extend(batch)
    assert arrived == records


def test_batches_are_as_large_as_may_be_and_no_larger() -> None:
    chunk = Output(Instant(1), StepRef("1"), Stream.STDOUT, bytes(MAX_CHUNK))
    sizes = [
        len(message.SerializeToString()) for message in session.encode_batches([Record(n, chunk) for n in range(1, 11)])
    ]
    assert len(sizes) == 4
    assert max(sizes) <= MAX_MESSAGE
    assert session.encode_batches([]) == []


def test_a_record_that_fits_into_no_message_is_not_sent() -> None:
    children = tuple(ChildSpec(ChildKind.WORKER, n, variables={"x": "y" * 1000}) for n in range(2000))
    with pytest.raises(WireError):
        session.encode_batches([Record(1, ChildrenWanted(Instant(1), StepRef("1"), children))])


@given(values.counts | values.directives)
def test_a_journal_going_down_survives(message: int | Directive) -> None:
    data = session.encode_down(message).SerializeToString()
    assert session.decode_down(wire.JournalDown.FromString(data)) == message


@given(offers)
def test_an_offer_survives(offer: FileOffer) -> None:
    assert session.decode_offer(session.encode_offer(offer)) == offer


@given(st.builds(FilePosition, values.words, values.counts, st.booleans()))
def test_a_position_survives(position: FilePosition) -> None:
    assert session.decode_position(session.encode_position(position)) == position


ATTEMPT = execution_pb2.Attempt(execution="e", number=1)
DIGEST = "sha256:" + "0" * 64
HOSTILE: dict[str, Callable[[], object]] = {
    "an agent that says nothing": lambda: session.decode_agent(wire.AgentMessage()),
    "a control plane that says nothing": lambda: session.decode_control(wire.ControlMessage()),
    "an endless version": lambda: session.decode_agent(wire.AgentMessage(hello=wire.Hello(agent_version="x" * 101))),
    "too many attempts": lambda: session.decode_agent(
        wire.AgentMessage(heartbeat=wire.Heartbeat(held=[ATTEMPT] * 10_001))
    ),
    "an attempt without a number": lambda: session.decode_agent(
        wire.AgentMessage(accept=wire.Accept(attempt=execution_pb2.Attempt(execution="e")))
    ),
    "a welcome without a heartbeat": lambda: session.decode_control(wire.ControlMessage(welcome=wire.Welcome())),
    "an empty journal message": lambda: session.decode_up(wire.JournalUp()),
    "an empty answer": lambda: session.decode_down(wire.JournalDown()),
    "a file of no kind": lambda: session.decode_offer(
        wire.UploadBegin(attempt=ATTEMPT, ref="1", name="a", digest=DIGEST)
    ),
    "an artifact without a name": lambda: session.decode_offer(
        wire.UploadBegin(attempt=ATTEMPT, ref="1", digest=DIGEST, kind=wire.ARTIFACT_KIND_ARTIFACT)
    ),
    "a climbing transfer": lambda: session.decode_offer(
        wire.UploadBegin(attempt=ATTEMPT, name="../a", digest=DIGEST, kind=wire.ARTIFACT_KIND_TRANSFER)
    ),
    "a file of 2^63 bytes": lambda: session.decode_offer(
        wire.UploadBegin(
            attempt=ATTEMPT, ref="1", name="a", size=2**63, digest=DIGEST, kind=wire.ARTIFACT_KIND_ARTIFACT
        )
    ),
    "too large a chunk": lambda: session.decode_chunk(wire.UploadChunk(data=bytes(session.MAX_UPLOAD_CHUNK + 1))),
    "a digest that is none": lambda: session.decode_download(wire.DownloadRequest(attempt=ATTEMPT, digest="x")),
}


@pytest.mark.parametrize("read", HOSTILE.values(), ids=HOSTILE)
def test_what_is_hostile_is_refused(read: Callable[[], object]) -> None:
    with pytest.raises(WireError):
        read()


def test_chunks_and_wishes_are_read() -> None:
    assert session.decode_chunk(wire.UploadChunk(upload="u", offset=3, data=b"abc")) == ("u", 3, b"abc")
    wish = wire.DownloadRequest(attempt=ATTEMPT, digest=DIGEST, offset=5)
    assert session.decode_download(wish) == (session.decode_up(session.encode_header(_attempt())), DIGEST, 5)


def _attempt() -> Attempt:
    return journal.decode_attempt(ATTEMPT)
