"""``muster`` as a process: in a terminal, into a pipe, with a reader that goes away, on a full disk."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.control_plane.web.server import TOKEN
from tests.control_plane.web.test_api import finished
from tests.control_plane.world import World
from tests.muster.cli.conftest import Prepared, Prompt
from workflow.states import ExecutionState, Verdict


async def start(muster: Prompt, *words: str, env: dict[str, str] | None = None, **more: Any) -> Process:
    around = {**os.environ, "MUSTER_URL": muster.url, "MUSTER_TOKEN": TOKEN, "TERM": "xterm-256color", **(env or {})}
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "muster", *words, env=around, **more)


class Terminal:
    """What a person sees."""

    def __init__(self) -> None:
        self.main, self.other = pty.openpty()
        fcntl.ioctl(self.other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.text = ""
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.main, self._read)

    def _read(self) -> None:
        try:
            self.text += os.read(self.main, 65536).decode(errors="replace")
        except OSError:  # the last writer is gone
            asyncio.get_running_loop().remove_reader(self.main)
        self._more.set()

    async def shows(self, holds: Callable[[str], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds(self.text):
                self._more.clear()
                await self._more.wait()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.main)
        os.close(self.main)


@asynccontextmanager
async def terminal(muster: Prompt, *words: str) -> AsyncIterator[tuple[Terminal, Process]]:
    screen = Terminal()
    process = await start(
        muster,
        *words,
        stdin=screen.other,
        stdout=screen.other,
        stderr=screen.other,
        start_new_session=True,
        preexec_fn=_heed_interrupts,
    )
    os.close(screen.other)
    yield screen, process
    if process.returncode is None:
        process.kill()
        await process.wait()
    screen.close()


def _heed_interrupts() -> None:
    """As every shell does for what it starts in a terminal: tests that run in the background inherit deafness."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def test_a_run_in_a_terminal(muster: Prompt, world: World, played: Prepared) -> None:
    played.prepared = run = await world.run()
    execution = await world.execution(run, "dev")
    async with terminal(muster, "run", "every") as (screen, process):
        await screen.shows(lambda text: "running" in text)
        await world.prints(execution, "1", "hello \x1b]0;title\x07there\n")
        await screen.shows(lambda text: "hello there" in text)
        await world.steps(execution, {"1": 0})
        await world.ends(execution, ExecutionState.PASSED)
        await world.run_ends(run, Verdict.PASSED)
        assert await process.wait() == 0
        await screen.shows(lambda text: "every-1" in text.rpartition("verdict")[2])
    assert "\x1b[" in screen.text
    assert "title" not in screen.text
    assert screen.text.rindex("\x1b[?25h") > screen.text.rindex("\x1b[?25l")  # the cursor is back


async def test_ctrl_c_detaches(muster: Prompt, world: World, played: Prepared) -> None:
    played.prepared = run = await world.run()
    execution = await world.execution(run, "dev")
    async with terminal(muster, "run", "every") as (screen, process):
        await world.prints(execution, "1", "hello\n")
        await screen.shows(lambda text: "hello" in text)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
        await screen.shows(lambda text: "muster cancel every-1" in text)
    assert "detached; the run goes on" in screen.text
    assert "Traceback" not in screen.text
    assert "\x1b[?25h" in screen.text
    assert [heard[0] for heard in played.heard] == ["submit"]  # type: ignore[index]


async def test_no_control_codes_in_a_pipe(muster: Prompt, world: World, played: Prepared) -> None:
    played.prepared, _ = await finished(world)
    for words in (("run", "every"), ("get", "runs"), ("logs", "every-1"), ("compare", "every-1"), ("--help",)):
        process = await start(muster, *words, stdout=PIPE, stderr=PIPE)
        out, errors = await process.communicate()
        assert b"\x1b" not in out + errors
        assert out


async def test_the_reader_of_logs_goes_away(muster: Prompt, world: World) -> None:
    execution = await world.execution(await world.run(), "dev")
    for _ in range(40):
        await world.prints(execution, "1", "line\n" * 10_000)
    await world.ends(execution, ExecutionState.PASSED)
    for words in (("logs", execution), ("logs", execution, "--follow"), ("logs", "every-1", "-f")):
        read, write = os.pipe()
        process = await start(muster, *words, stdout=write, stderr=PIPE)
        os.close(write)
        assert await asyncio.to_thread(os.read, read, 10)
        os.close(read)
        _, errors = await process.communicate()
        assert (process.returncode, errors) == (0, b"")


async def test_the_reader_of_a_run_goes_away(muster: Prompt, world: World, played: Prepared) -> None:
    played.prepared = run = await world.run()
    execution = await world.execution(run, "dev")
    read, write = os.pipe()
    process = await start(muster, "run", "every", stdout=write, stderr=PIPE)
    os.close(write)
    assert await asyncio.to_thread(os.read, read, 10)
    os.close(read)
    await world.prints(execution, "1", "more\n")
    _, errors = await process.communicate()
    assert process.returncode == 141  # what came of it is not known
    assert b"the run goes on" in errors
    assert b"Traceback" not in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
async def test_a_full_disk(muster: Prompt, world: World) -> None:
    await finished(world)
    for words in (("get", "runs"), ("get", "runs", "-o", "json"), ("logs", "every-1"), ("compare", "every-1")):
        with Path("/dev/full").open("wb") as full:
            process = await start(muster, *words, stdout=full, stderr=PIPE)
            _, errors = await process.communicate()
        assert process.returncode == 3
        assert errors.startswith(b"error: No space left on device\n")
        assert b"Traceback" not in errors and b"Exception" not in errors


async def test_a_terminal_without_these_signs(muster: Prompt, world: World) -> None:
    await finished(world)
    process = await start(muster, "compare", "every-1", env={"PYTHONIOENCODING": "ascii"}, stdout=PIPE, stderr=PIPE)
    out, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert b"failed" in out
