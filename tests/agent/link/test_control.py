"""The link over a real socket with mutual TLS: sessions, journals, files, and every way they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from control_plane.ports.blobs import DigestMismatch
from control_plane.ports.journals import JournalGap, JournalUnavailable
from control_plane.ports.store import Unavailable
from control_plane.rpc.intake import Intake
from control_plane.services.artifacts import BadOffer, NotYours
from tests.control_plane.rpc.house import ATTEMPT, HELLO, NAME, House
from workflow.identifiers import Attempt, ExecutionId, Instant, StepRef
from workflow.journal import MAX_CHUNK, Output, Pause, Record, Stop, Stream
from workflow.session import (
    Accept,
    AgentSays,
    Assign,
    Bundle,
    ControlSays,
    Decline,
    Drain,
    Draining,
    Fenced,
    FileOffer,
    FilePosition,
    Heartbeat,
    LinkDown,
    Refused,
    Withdraw,
)
from workflow.states import ExecutionState

DIGEST = "sha256:" + "0" * 64
OFFER = FileOffer(ATTEMPT, StepRef("1"), "report.xml", 1_500_000, DIGEST)


def output(seq: int, size: int = 10) -> Record:
    return Record(seq, Output(Instant(seq), StepRef("1"), Stream.STDOUT, bytes(size)))


# --- sessions ----------------------------------------------------------------------------------------------------


async def test_a_session_speaks_both_ways(control: House) -> None:
    async with control.link() as link, link.session(HELLO) as session:
        there = await control.sessions.opened.get()
        assert (there.agent, there.hello) == (NAME, HELLO)
        assert session.welcome.labels == {"environment": "dev"}
        assert session.welcome.version == "9.9.9"
        said: list[AgentSays] = [Accept(ATTEMPT), Heartbeat((ATTEMPT,)), Draining()]
        for message in said:
            await session.say(message)
        assert [await there.heard_.get() for _ in said] == said
        answers: list[ControlSays] = [
            Assign(Bundle(ATTEMPT, b"{}"), service=True),
            Withdraw(ATTEMPT, "no more"),
            Drain(),
        ]
        received = session.received()
        for answer in answers:
            await there.to_say.put(answer)
            assert await anext(received) == answer
    await there.closed.wait()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (Fenced("another session of this agent began"), Fenced),
        (Refused("it was revoked"), Refused),
        (Unavailable("disk full"), LinkDown),
        (LinkDown("silent for too long"), LinkDown),
    ],
)
async def test_how_a_session_ends_badly(control: House, raised: Exception, expected: type[Exception]) -> None:
    async with control.link() as link, link.session(HELLO) as session:
        there = await control.sessions.opened.get()
        await there.to_say.put(raised)
        with pytest.raises(expected, match=str(raised)):
            await anext(session.received())
        with pytest.raises(expected):
            await session.say(Draining())
        await there.closed.wait()


async def test_an_assignment_that_cannot_be_read_is_declined_and_the_session_goes_on(control: House) -> None:
    unreadable = Bundle(ATTEMPT, b"{}", transfers=tuple(("", "") for _ in range(20_000)))
    async with control.link() as link, link.session(HELLO) as session:
        there = await control.sessions.opened.get()
        await there.to_say.put(Assign(unreadable))
        await there.to_say.put(Drain())
        assert await anext(session.received()) == Drain()
        declined = await there.heard_.get()
        assert isinstance(declined, Decline)
        assert (declined.attempt, declined.final) == (ATTEMPT, True)
        assert "does not understand" in declined.reason


async def test_a_session_that_is_not_opened(control: House) -> None:
    control.sessions.refusal = Refused("not you")
    async with control.link() as link:
        with pytest.raises(Refused, match="not you"):
            async with link.session(HELLO):
                pass


async def test_a_mistake_of_the_control_plane_is_not_told(control: House, caplog: pytest.LogCaptureFixture) -> None:
    control.sessions.refusal = RuntimeError("secret inside")
    async with control.link() as link:
        with pytest.raises(LinkDown, match="made a mistake") as told:
            async with link.session(HELLO):
                pass
    assert "secret inside" not in str(told.value)
    assert "secret inside" in caplog.text


async def test_nobody_listens(control: House) -> None:
    async with control.link() as link:
        await control.stop()
        with pytest.raises(LinkDown, match="cannot be reached"):
            async with link.session(HELLO):
                pass


async def test_nobody_listens_and_the_certificate_ended_meanwhile(control: House) -> None:
    ended = replace(await control.joined(), received=0.0)  # only the control plane may say that it is over
    async with control.link(ended) as link:
        await control.stop()
        with pytest.raises(LinkDown, match="cannot be reached"):
            async with link.session(HELLO):
                pass


async def test_the_control_plane_goes_and_comes_back(control: House) -> None:
    async with control.link() as link:
        async with link.session(HELLO) as session:
            there = await control.sessions.opened.get()
            await control.stop()
            with pytest.raises(LinkDown):
                await anext(session.received())
            await there.closed.wait()
        await control.start()
        async with asyncio.timeout(10):
            while True:  # as the relay does
                try:
                    async with link.session(HELLO) as session:
                        assert session.welcome.session == 2
                        break
                except LinkDown:
                    await asyncio.sleep(0.05)


async def test_what_the_body_raises_comes_out_as_it_is(control: House) -> None:
    async with control.link() as link:
        with pytest.raises(KeyError, match="mine"):
            async with link.session(HELLO):
                raise KeyError("mine")


async def test_a_cancelled_word_ends_the_stream_for_the_reader_too(control: House) -> None:
    async with control.link() as link, link.session(HELLO) as session:
        received = session.received()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(received)
        with pytest.raises(LinkDown):
            await session.say(Draining())


# --- journals ----------------------------------------------------------------------------------------------------


async def test_a_journal_goes_up_and_is_acknowledged(control: House) -> None:
    there = control.progress.of()
    async with control.link() as link, link.journal(ATTEMPT) as journal:
        received = journal.received()
        assert await anext(received) == 0
        await journal.send([output(1), output(2)])
        assert await anext(received) == 2
        await there.directed.put(Pause())
        assert await anext(received) == Pause()
        await there.directed.put(stop := Stop(ExecutionState.CANCELED, "asked to"))
        assert await anext(received) == stop
    await there.until(lambda: there.open_now == 0)
    assert [record.seq for record in there.records] == [1, 2]


async def test_the_wire_does_not_wait_for_the_disk(control: House, monkeypatch: pytest.MonkeyPatch) -> None:
    there = control.progress.of()
    arrived, all_are_here, put = 0, asyncio.Event(), Intake.put

    async def noted(self: Intake, records: Sequence[Record], size: int) -> None:
        nonlocal arrived
        await put(self, records, size)
        arrived += len(records)
        if arrived == 8:
            all_are_here.set()

    monkeypatch.setattr(Intake, "put", noted)
    there.disk.clear()
    async with control.link() as link, link.journal(ATTEMPT) as journal:
        received = journal.received()
        assert await anext(received) == 0
        for seq in range(1, 9):
            await journal.send([output(seq, MAX_CHUNK)])
        async with asyncio.timeout(20):
            await all_are_here.wait()
        there.disk.set()
        last = 0
        acknowledgements = 0
        while last < 8:
            said = await anext(received)
            assert isinstance(said, int)
            last = said
            acknowledgements += 1
    assert len(there.appends) == acknowledgements < 8  # what came meanwhile was appended together
    assert [record.seq for record in there.records] == list(range(1, 9))


async def test_a_reader_that_stands_still_is_not_flooded(control: House) -> None:
    there = control.progress.of()
    there.disk.clear()
    sent = 0

    async def flood() -> None:
        nonlocal sent
        async with control.link() as link, link.journal(ATTEMPT) as journal:
            for seq in range(1, 201):
                await journal.send([output(seq, MAX_CHUNK)])
                sent = seq

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(flood())
        before = -1
        while before != sent or sent == 0:  # until it stands still
            before = sent
            await asyncio.sleep(0.3)
        assert sent * MAX_CHUNK < 16 * 1024 * 1024  # held here, under way, and in both sides' buffers
        task.cancel()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (Fenced("attempt 2 began"), Fenced),
        (KeyError("there is no attempt e1#1"), Fenced),
        (Refused("held by another agent"), Refused),
        (NotYours("e1#1 is not held by dev-runner"), Refused),
        (Unavailable("locked"), LinkDown),
    ],
)
async def test_a_journal_that_is_not_opened(control: House, raised: Exception, expected: type[Exception]) -> None:
    control.progress.refusal = raised
    async with control.link() as link, link.journal(ATTEMPT) as journal:
        with pytest.raises(expected, match=str(raised.args[0])):
            await anext(journal.received())


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (Fenced("attempt 2 began"), Fenced),
        (JournalGap("3 does not follow 1"), LinkDown),
        (JournalUnavailable("the disk is full"), LinkDown),
    ],
)
async def test_records_that_are_not_stored(control: House, raised: Exception, expected: type[Exception]) -> None:
    control.progress.of().refusal = raised
    async with control.link() as link, link.journal(ATTEMPT) as journal:
        received = journal.received()
        assert await anext(received) == 0
        await journal.send([output(1)])
        with pytest.raises(expected, match=str(raised)):
            await anext(received)


async def test_a_newer_attempt_fences_an_open_journal(control: House) -> None:
    there = control.progress.of()
    async with control.link() as link, link.journal(ATTEMPT) as journal:
        received = journal.received()
        assert await anext(received) == 0
        await there.directed.put(Fenced("attempt 2 began"))
        with pytest.raises(Fenced):
            await anext(received)


async def test_being_fenced_never_looks_like_a_broken_link(control: House) -> None:
    """While writes and the end of the call race each other; gRPC itself says INTERNAL nearly every time."""
    control.progress.refusal = Fenced("attempt 2 began")
    async with control.link() as link:
        for _ in range(30):
            async with link.journal(ATTEMPT) as journal:
                with pytest.raises(Fenced):
                    for seq in range(1, 100_000):
                        await journal.send([output(seq, 1000)])
                with pytest.raises(Fenced):
                    await anext(journal.received())


async def test_a_journal_is_resumed_without_gap_or_repetition(control: House) -> None:
    there = control.progress.of()
    identity = await control.joined()
    sent = [output(seq, 1000) for seq in range(1, 301)]
    for cut in (37, 120, 299, 10_000):
        async with control.link(identity) as link, link.journal(ATTEMPT) as journal:
            received = journal.received()
            acknowledged = await anext(received)
            assert isinstance(acknowledged, int)
            for record in sent[acknowledged : cut + 10]:
                await journal.send([record])
            while acknowledged < min(cut, 300):
                said = await anext(received)
                assert isinstance(said, int)
                acknowledged = said
    assert there.records == sent
    assert there.opens == 4


# --- files -------------------------------------------------------------------------------------------------------


async def chunks(data: bytes, *, fail: bool = False) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 500_000):
        yield data[start : start + 500_000]
    if fail:
        raise OSError("the file is gone")


async def test_a_file_goes_up_and_down(control: House) -> None:
    data = bytes(range(250)) * 6000
    async with control.link() as link:
        position = await link.begin_upload(OFFER)
        assert position == FilePosition("u1", 0, complete=False)
        assert await link.upload(position, chunks(data)) == FilePosition("u1", 1_500_000, complete=True)
        assert control.artifacts.data == data
        assert control.artifacts.offer == OFFER
        down = b"".join([chunk async for chunk in link.download(ATTEMPT, DIGEST, 1000)])
        assert down == data[1000:]


async def test_an_upload_is_resumed(control: House) -> None:
    data = bytes(range(250)) * 6000
    async with control.link() as link:
        with pytest.raises(OSError, match="gone"):
            await link.upload(await link.begin_upload(OFFER), chunks(data[:1_000_000], fail=True))
        position = await link.begin_upload(OFFER)
        assert await link.upload(position, chunks(data[position.offset :])) == FilePosition("u1", 1_500_000, True)
        assert control.artifacts.data == data


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (BadOffer("too large"), Refused),
        (NotYours("not held"), Refused),
        (Fenced("it is over"), Fenced),
        (DigestMismatch("differs"), LinkDown),
    ],
)
async def test_a_file_that_is_refused(control: House, raised: Exception, expected: type[Exception]) -> None:
    control.artifacts.refusal = raised
    async with control.link() as link:
        with pytest.raises(expected, match=str(raised)):
            await link.begin_upload(OFFER)
        with pytest.raises(expected, match=str(raised)):
            await anext(link.download(ATTEMPT, DIGEST, 0))


async def test_an_upload_that_is_forgotten_is_begun_again(control: House) -> None:
    async with control.link() as link:
        with pytest.raises(LinkDown):
            await link.upload(FilePosition("forgotten", 0, complete=False), chunks(b"x"))


async def test_a_large_plan_arrives(control: House) -> None:
    async with control.link() as link, link.session(HELLO) as session:
        there = await control.sessions.opened.get()
        assign = Assign(Bundle(Attempt(ExecutionId("e2"), 1), b"p" * 1_000_000))
        await there.to_say.put(assign)
        assert await anext(session.received()) == assign
