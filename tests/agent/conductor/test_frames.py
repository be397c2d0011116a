"""Everything that agent and conductor say survives a frame; nothing hostile gets in."""

from __future__ import annotations

import asyncio
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from agent.conductor import frames
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
from protos.codec import journal
from protos.codec.checks import WireError
from protos.muster.v1 import conductor_pb2 as wire
from tests.protos.codec import values
from workflow.identifiers import Instant, StepRef
from workflow.journal import Record, StepPaused
from workflow.session import MAX_MESSAGE, Bundle, FileKind

TO: dict[type, SearchStrategy[ToConductor]] = {
    Attach: st.builds(Attach, values.attempts, values.counts),
    Bundle: values.bundles,
    Stored: st.builds(Stored, values.counts),
    **values.DIRECTIVES,
    Release: st.builds(Release),
    FileTaken: st.builds(FileTaken, values.numbers, values.counts, values.counts, st.booleans()),
    FileData: st.builds(FileData, values.numbers, values.counts, st.binary(max_size=100), st.booleans()),
    FileRefused: st.builds(FileRefused, values.numbers, values.words, st.booleans()),
    SecretValues: st.builds(SecretValues, values.labels),
    ContainerGone: st.builds(ContainerGone, values.words, values.words, st.booleans()),
}
FROM: dict[type, SearchStrategy[FromConductor]] = {
    Attached: st.builds(Attached, values.attempts, st.booleans(), values.counts, st.booleans()),
    Records: st.builds(Records, st.lists(values.records, max_size=3).map(tuple)),
    FileOffered: st.builds(
        FileOffered,
        values.numbers,
        values.refs,
        values.file_names,
        values.counts,
        values.digests,
        st.sampled_from(FileKind),
    ),
    FileChunk: st.builds(FileChunk, values.numbers, values.counts, st.binary(max_size=100)),
    FileWanted: st.builds(FileWanted, values.numbers, values.digests, values.counts),
}


def test_the_strategies_know_every_kind() -> None:
    assert set(TO) == set(get_args(ToConductor))
    assert set(FROM) == set(get_args(FromConductor))


@given(st.one_of(*TO.values()))
def test_what_the_agent_says_survives(message: ToConductor) -> None:
    assert frames.decode_to(frames.encode_to(message)) == message


@given(st.one_of(*FROM.values()))
def test_what_the_conductor_says_survives(message: FromConductor) -> None:
    assert frames.decode_from(frames.encode_from(message)) == message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xff",
        wire.FromConductor(
            file_offer=wire.FileOffer(ref="1", name="/etc/x", digest="sha256:" + "0" * 64)
        ).SerializeToString(),
        wire.FromConductor(file_wanted=wire.FileWanted(digest="../x")).SerializeToString(),
    ],
    ids=["empty", "garbage", "an absolute name", "a digest that is none"],
)
def test_what_is_hostile_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        frames.decode_from(data)
    if data[:1] in {b"", b"\xff"}:
        with pytest.raises(WireError):
            frames.decode_to(data)


async def test_frames_come_out_as_they_went_in() -> None:
    reader = asyncio.StreamReader()
    sent = [b"", b"one", b"x" * MAX_MESSAGE]
    reader.feed_data(b"".join(map(frames.framed, sent)))
    reader.feed_eof()
    assert [await frames.read_frame(reader) for _ in range(4)] == [*sent, None]


async def test_frames_cross_a_socket() -> None:
    got: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (message := await frames.read_frame(reader)) is not None:
            await got.put(message)
        await got.put(None)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for message in (b"one", b"y" * MAX_MESSAGE):
            writer.write(frames.framed(message))
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert [await got.get() for _ in range(3)] == [b"one", b"y" * MAX_MESSAGE, None]


async def test_a_frame_that_is_cut_is_an_error() -> None:
    for cut in (2, 6):
        reader = asyncio.StreamReader()
        reader.feed_data(frames.framed(b"hello")[:cut])
        reader.feed_eof()
        with pytest.raises(WireError):
            await frames.read_frame(reader)


async def test_packed_records_travel_as_they_are() -> None:
    record = Record(1, StepPaused(Instant(1), StepRef("1")))
    assert frames.decode_from(frames.encode_packed([journal.pack(record)])) == Records((record,))


async def test_a_frame_that_is_too_large_is_refused_before_it_is_read() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data((MAX_MESSAGE + 1).to_bytes(4, "big"))
    with pytest.raises(WireError):
        await frames.read_frame(reader)
    with pytest.raises(WireError):
        frames.framed(bytes(MAX_MESSAGE + 1))
