"""Certificates that live for seconds: renewed while everything goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from agent.link import identity
from agent.link.control import Link
from agent.ports.control import JournalStream
from control_plane.adapters.x509 import Lives
from tests.control_plane.rpc.house import ATTEMPT, HELLO, NAME, House, house
from workflow.identifiers import Instant, StepRef
from workflow.journal import Output, Record, Stream
from workflow.session import LinkDown, Refused

ROTATIONS = 4
"""More than the certificates of one agent that are in force at once: the journal outlives its own."""
LIFE = 6
"""Seconds of a certificate; short, and yet longer than a busy machine takes to connect."""


@pytest.fixture
async def brief(tmp_path: Path) -> AsyncIterator[House]:
    """Agents' certificates live for LIFE."""
    async with house(tmp_path, Lives(agent=LIFE)) as built:
        yield built


async def print_lines(journal: JournalStream, over: asyncio.Event) -> int:
    """Numbered output, until it is over; how much."""
    seq = 0
    while not over.is_set():
        seq += 1
        await journal.send([Record(seq, Output(Instant(seq), StepRef("1"), Stream.STDOUT, b"%d\n" % seq))])
        await asyncio.sleep(0.005)
    return seq


async def hold_sessions(link: Link, count: int) -> list[str]:
    """Open a session whenever one ends well, as the relay does; the serials used."""
    serials: list[str] = []
    while len(serials) < count:
        async with link.session(HELLO) as session:
            serials.append(serial_of(link))
            if len(serials) < count:
                async for _ in session.received():
                    pass
    return serials


def serial_of(link: Link) -> str:
    return f"{x509.load_pem_x509_certificate(link.identity.chain.encode()).serial_number:x}"


async def test_a_journal_streams_without_a_gap_over_renewals(brief: House) -> None:
    there = brief.progress.of()
    over = asyncio.Event()
    async with brief.link() as link, link.journal(ATTEMPT) as journal:
        received = journal.received()
        assert await anext(received) == 0
        began = time.time()
        async with asyncio.TaskGroup() as tasks:
            printing = tasks.create_task(print_lines(journal, over))
            serials = await hold_sessions(link, ROTATIONS + 1)
            over.set()
        assert time.time() - began > LIFE  # the first certificate ended long ago
        assert len(set(serials)) == ROTATIONS + 1
        printed = printing.result()
        while await anext(received) != printed:
            pass
        kept = identity.load(brief.folder / NAME)
        assert kept == link.identity
    assert [record.seq for record in there.records] == list(range(1, printed + 1))
    assert there.opens == 1
    row = await brief.store.read(lambda unit: unit.fleet.get(NAME))
    assert row is not None
    assert list(row.serials) == serials[-2:]


async def test_a_renewal_waits_for_a_control_plane_that_is_away(brief: House) -> None:
    async with brief.link() as link:
        before = serial_of(link)
        async with link.session(HELLO):
            await brief.stop()
            await asyncio.sleep(link.identity.due_in(time.time()))  # the first try meets nobody
            await brief.start()
            await brief.sessions.opened.get()
        async with asyncio.timeout(15):
            while serial_of(link) == before:
                try:
                    async with link.session(HELLO) as session:
                        async for _ in session.received():
                            pass
                except LinkDown:
                    await asyncio.sleep(0.05)


async def test_an_overdue_certificate_is_renewed_before_the_session(control: House) -> None:
    old = replace(await control.joined(), received=0.0)
    async with control.link(old) as link, link.session(HELLO):
        assert link.identity.received > time.time() - 60
        assert serial_of(link) != f"{x509.load_pem_x509_certificate(old.chain.encode()).serial_number:x}"


async def test_an_identity_that_was_replaced_is_told(control: House) -> None:
    stolen = await control.joined()
    overdue = replace(stolen, received=0.0)
    async with (
        control.link(overdue) as honest,
        control.link(overdue) as thief,
        honest.session(HELLO) as session,
        thief.session(HELLO),
    ):
        with pytest.raises(Refused, match="revoked or replaced"):
            await anext(session.received())


async def test_a_disk_that_refuses_keeps_the_old_one(control: House) -> None:
    old = replace(await control.joined(), received=0.0)
    async with control.link(old) as link:
        link._renewal._state = control.folder / "ca" / "root-1.pem"  # no folder
        async with link.session(HELLO):
            assert link.identity == old


async def test_a_roll_of_the_root_disconnects_nobody(tmp_path: Path) -> None:
    async with house(tmp_path, Lives(agent=LIFE)) as control:
        there = control.progress.of()
        over = asyncio.Event()
        async with control.link() as link, link.journal(ATTEMPT) as journal:
            first = link.identity.roots
            control.authority.roll()
            async with asyncio.TaskGroup() as tasks:
                printing = tasks.create_task(print_lines(journal, over))
                await hold_sessions(link, ROTATIONS + 1)
                over.set()
            both = x509.load_pem_x509_certificates(link.identity.roots.encode())
            assert len(both) == 2
            assert first.encode() in link.identity.roots.encode()
            leaf = x509.load_pem_x509_certificate(link.identity.chain.encode())
            leaf.verify_directly_issued_by(both[0])  # the new one signs by now
            assert there.opens == 1
            await there.until(lambda: there.acknowledged == printing.result())
