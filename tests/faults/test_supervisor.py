"""``muster up`` itself is killed: what it started runs on, and whoever comes next finds it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from muster.local import LocalState
from muster.local.state import start_time


async def muster(*words: str, state: Path) -> tuple[int, str]:
    """Run the command; exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "muster", *words, "--state", str(state)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "200"},
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.fixture
async def orphaned(tmp_path: Path) -> AsyncIterator[LocalState]:
    """A system whose supervisor was killed."""
    state = LocalState(tmp_path / "state")
    code, said = await muster("up", "--detach", "--agents", "dev", state=state.directory)
    assert code == 0, said
    supervisor = state.supervisor()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    while start_time(supervisor):
        await asyncio.sleep(0.01)  # no child of ours: its end gives no signal
    yield state
    await muster("down", state=state.directory)
    assert not state.leftovers()


async def test_the_next_up_ends_what_is_left_and_comes_up(orphaned: LocalState) -> None:
    left = orphaned.leftovers()
    assert list(left) == ["dev-runner", "control-plane"]
    code, said = await muster("up", "--detach", "--agents", "dev", state=orphaned.directory)
    assert code == 0, said
    assert "dev-runner still ran although nobody supervised it any more" in said
    assert not any(map(start_time, left.values()))
    assert set(orphaned.leftovers().values()).isdisjoint(left.values())


async def test_down_ends_what_is_left(orphaned: LocalState) -> None:
    code, said = await muster("down", state=orphaned.directory)
    assert (code, said) == (0, "what a killed muster left was stopped: dev-runner, control-plane\n")
    assert not orphaned.leftovers()
    assert await muster("down", state=orphaned.directory) == (0, f"nothing runs on {orphaned.directory}\n")


async def test_of_two_that_start_at_once_one_comes_up_and_the_other_says_so(tmp_path: Path) -> None:
    state = LocalState(tmp_path / "state")
    words = ("up", "--detach", "--agents", "dev")
    try:
        ends = await asyncio.gather(*(muster(*words, state=state.directory) for _ in range(2)))
        (won, lost) = sorted(ends)
        assert (won[0], lost[0]) == (0, 3)
        assert "muster is up" in won[1]
        assert f"error: muster is already up on {state.directory} (" in lost[1]
        assert state.supervisor() is not None
        assert state.endpoint().url in won[1]
    finally:
        await muster("down", state=state.directory)
    assert not state.leftovers()
