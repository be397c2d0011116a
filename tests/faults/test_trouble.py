"""What is wrong with the machine or the people around it: full disks, ports in use, cloned and revoked agents."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from muster.client import ClientError
from muster.local import LocalState, LocalSystem, StartFailed
from muster.local.program import Program
from muster.local.state import start_time, write_private
from tests.faults.conftest import AGENT, ALL, LINES, NUMBERED, Field
from workflow.states import Verdict
from workflow.views import NewRun

OUTAGE = 0.5
"""Seconds for which a disk stays full: what waits gives no signal."""


@contextmanager
def no_disk_for(pid: int) -> Iterator[None]:
    """No file of the process may grow, as on a full disk."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def test_a_control_plane_without_disk_says_so_and_goes_on_when_it_has_some(ground: Field) -> None:
    async with ground.numbered() as watched:
        await ground.round(watched)
        await watched.printed(LINES)
        with no_disk_for(ground.system.program("control-plane").pid):
            with pytest.raises(ClientError) as refused:
                await ground.client.submit(NewRun(document=NUMBERED))
            assert refused.value.status == 503
            await ground.round(watched)
            await asyncio.sleep(OUTAGE)
        await ground.round(watched)
        assert await watched.verdict() is Verdict.PASSED
        assert watched.text.splitlines() == ALL
        assert await ground.stored(watched) == ALL
        assert len(await ground.client.runs()) == 1


async def test_a_conductor_without_disk_waits_and_loses_nothing(ground: Field) -> None:
    async with ground.numbered() as watched:
        await ground.round(watched)
        await watched.printed(LINES)
        with no_disk_for(await ground.conductor(watched)):
            await ground.round(watched)
            await asyncio.sleep(OUTAGE)
            assert watched.text.splitlines() == ALL[:LINES]
        await ground.round(watched)
        assert await watched.verdict() is Verdict.PASSED
        assert watched.text.splitlines() == ALL


@pytest.mark.parametrize("port", ["grpc", "web", "enrol"])
async def test_a_port_in_use_is_one_sentence(port: str, tmp_path: Path) -> None:
    state = LocalState(tmp_path / "state")
    state.prepare()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        write_private(state.directory / "ports.json", f'{{"grpc": 0, "web": 0, "enrol": 0, "{port}": {taken}}}')
        with pytest.raises(StartFailed) as failed:
            await LocalSystem.start(state, (AGENT,))
    said = str(failed.value)
    assert f"127.0.0.1:{taken}: another program uses the port: process {os.getpid()} (" in said
    assert f"free port {taken}" in said
    assert "muster up --state DIR" in said
    assert "Traceback" not in state.log("control-plane").read_text()


async def test_of_two_agents_with_one_identity_the_newer_one_stays(ground: Field, tmp_path: Path) -> None:
    shutil.copytree(ground.home, tmp_path / "clone")
    older = ground.system.program(AGENT.name)
    command = [sys.executable, "-m", "agent", "run", "--state", str(tmp_path / "clone")]
    clone = await Program.start("clone", command, log=tmp_path / "clone.log")
    try:
        assert await clone.ready() == {"agent": AGENT.name}
        assert await older.ended() == 3
        assert "another session of agent dev-runner began" in ground.system.state.log(AGENT.name).read_text()
        document = NUMBERED.replace("mkfifo go; exec 3<>go", "true").replace("read line <&3", "true")
        run = await ground.client.submit(NewRun(document=document))
        events = [event async for event in ground.client.watch(run.id)]
        assert events[-1].event == "end" and events[-1].run.verdict is Verdict.PASSED
    finally:
        await clone.stop()


async def test_a_revoked_agent_ends_at_once_and_says_what_to_do(ground: Field) -> None:
    await ground.client.revoke(AGENT.name)
    assert await ground.system.program(AGENT.name).ended() == 3
    said = ground.system.state.log(AGENT.name).read_text()
    assert "revoked" in said and "muster agents create" in said and "Traceback" not in said


async def test_stopping_the_system_leaves_no_step_behind(ground: Field) -> None:
    async with ground.numbered() as watched:
        await ground.round(watched)
        await watched.printed(10)
        conductor = await ground.conductor(watched)
        await ground.system.stop()
        assert not start_time(conductor)
        await ground.system.start_control_plane()
        await ground.system.start_agent(AGENT)
        assert await watched.verdict() is Verdict.ABORTED


async def test_what_dies_is_started_again(ground: Field) -> None:
    async with asyncio.TaskGroup() as tasks:
        supervising = tasks.create_task(ground.system.supervise())
        async with ground.numbered() as watched:
            await ground.round(watched)
            await watched.printed(10)
            ground.system.program(AGENT.name).kill()
            ground.system.program("control-plane").kill()
            await ground.round(watched)
            await ground.round(watched)
            assert await watched.verdict() is Verdict.PASSED
            assert watched.text.splitlines() == ALL
        supervising.cancel()
