"""A pod that is told to end, and why: in the agent's word where it comes in time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.conductor.exchange import Exchange
from agent.conductor.frames import decode_from, encode_to, framed, read_frame
from agent.conductor.journal import Journal
from agent.conductor.pod.main import UNKNOWN, PodAttendance
from agent.conductor.server import Server
from agent.ports.conductor import CONDUCTOR, Attach, Attached, ContainerGone, SecretValues
from tests.agent.plans import attempt
from workflow.identifiers import Attempt
from workflow.journal import Directive, Stop
from workflow.states import ExecutionState


class Host:
    """Hears what an execution is told."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Directive] = asyncio.Queue()

    def told(self, directive: Directive) -> None:
        self.heard.put_nowait(directive)

    def entrusted(self, values: SecretValues) -> None:
        raise AssertionError(values)


def attended(*, present: bool = True) -> tuple[PodAttendance, Host]:
    """A conductor's attendance with its host, and an agent where ``present``."""
    attendance, host = PodAttendance(60, {}), Host()
    attendance.serve(host)
    attendance.attended(present)
    return attendance, host


async def stopped(host: Host) -> str:
    """The reason for which it is told to stop, once it is."""
    async with asyncio.timeout(5):
        told = await host.heard.get()
    assert isinstance(told, Stop) and told.state is ExecutionState.ABORTED
    return told.reason


@pytest.mark.parametrize("first", ["the signal", "the word"])
async def test_the_agent_says_why(first: str) -> None:
    attendance, host = attended()
    if first == "the signal":
        attendance.terminated()
        await asyncio.sleep(0)
    attendance.bereft(ContainerGone(CONDUCTOR, "PreemptionByScheduler: somebody dearer came"))
    await asyncio.sleep(0)
    if first == "the word":
        assert host.heard.empty()  # what is about to happen has not happened
        attendance.terminated()
    assert await stopped(host) == "the pod was told to end: PreemptionByScheduler: somebody dearer came"
    attendance.terminated()
    attendance.bereft(ContainerGone(CONDUCTOR, "it was deleted"))
    await asyncio.sleep(0)
    assert host.heard.empty()


@pytest.mark.parametrize("present", [True, False])
async def test_without_a_word_it_ends_all_the_same(present: bool) -> None:
    attendance, host = attended(present=present)
    attendance.bereft(ContainerGone("step-1", "OOMKilled"))
    attendance.bereft(ContainerGone(CONDUCTOR, ""))
    attendance.terminated()
    assert await stopped(host) == f"the pod was told to end: {UNKNOWN}"


async def test_whoever_is_there_or_comes_hears_that_the_pod_is_to_end(tmp_path: Path) -> None:
    of, journal = attempt(), Journal(tmp_path / "journal")
    server = Server(of, journal, Exchange(), PodAttendance(60, {}))
    async with await asyncio.start_unix_server(server.accept, tmp_path / "socket"):
        here, line = await attached(tmp_path / "socket", of)
        assert await said(here) == Attached(of, bundled=True, last=0)
        server.leave()
        leaving = Attached(of, bundled=True, last=0, leaving=True)
        assert await said(here) == leaving
        there, other = await attached(tmp_path / "socket", of)
        assert await said(there) == leaving
        for writer in (line, other):
            writer.close()
    journal.close()


async def attached(socket: Path, of: Attempt) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of an agent."""
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(framed(encode_to(Attach(of))))
    return reader, writer


async def said(reader: asyncio.StreamReader) -> object:
    """What the conductor says next."""
    async with asyncio.timeout(5):
        content = await read_frame(reader)
    assert content is not None
    return decode_from(content)
