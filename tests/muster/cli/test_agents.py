"""``muster agents``: the command that it prints is tried in the tests of the whole system."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.muster.cli.conftest import Prepared, Prompt


async def test_an_invitation(muster: Prompt, played: Prepared) -> None:
    done = await muster("agents", "create", "qa-1", "--label", "environment=qa", "--max-concurrent", "3")
    assert played.heard == [("invite", "qa-1", {"environment": "qa"}, 3)]
    assert done.exit_code == 0
    (command,) = done.stdout.splitlines()
    assert command.startswith("echo mj1.abc | ")
    assert command.count("mj1.abc") == 1  # said once, to standard input: an argument would be seen by everybody
    assert command.endswith(" agents run qa-1")
    assert (await muster.json("agents", "create", "qa-1"))["join"] == "mj1.abc"


@pytest.mark.parametrize(
    "words", [("A B",), ("x" * 65,), ("",), ("qa", "--label", "x"), ("qa", "--label", "a=1", "--label", "a=2")]
)
async def test_invitations_that_cannot_be(muster: Prompt, played: Prepared, words: tuple[str, ...]) -> None:
    done = await muster("agents", "create", *words)
    assert (done.exit_code, done.stderr[:7], played.heard) == (2, "error: ", [])


async def test_labels_that_are_refused(muster: Prompt, played: Prepared) -> None:
    played.fails = ValueError("the label 'name' cannot be given")
    assert "the label 'name' cannot be given" in (await muster("agents", "create", "qa", "--label", "name=x")).stderr


async def test_the_list(muster: Prompt) -> None:
    text = (await muster("agents", "list")).stdout
    assert [line.split()[:2] for line in text.splitlines()] == [
        ["NAME", "STATE"],
        ["dev-runner", "connected"],
        ["prod-runner", "connected"],
        ["staging-runner", "away"],
    ]
    assert len(await muster.json("agents", "list")) == 3


async def test_sending_away(muster: Prompt, played: Prepared) -> None:
    assert (await muster("agents", "drain", "dev-runner")).stderr == "dev-runner drains; nothing runs there\n"
    assert (await muster("agents", "undrain", "dev-runner")).stderr == "dev-runner takes work again\n"
    again = await muster("agents", "undrain", "staging-runner")
    assert again.stderr == "staging-runner takes work again as soon as it is connected\n"
    assert (await muster("agents", "revoke", "dev-runner")).stderr == "dev-runner is revoked\n"
    assert [heard[0] for heard in played.heard] == ["drain", "undrain", "undrain", "revoke"]  # type: ignore[index]


async def agent(*words: str, given: bytes, home: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "muster", "agents", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "XDG_STATE_HOME": str(home)},
    )
    said, _ = await process.communicate(given)
    return process.returncode, said.decode()


@pytest.mark.parametrize("given", [b"", b"nonsense\n", b"mj1.e30\n", b"\xff\n"])
async def test_join_strings_that_are_none(given: bytes, tmp_path: Path) -> None:
    code, said = await agent("join", "qa", given=given, home=tmp_path)
    assert code in (2, 3)
    assert "Traceback" not in said
    assert said.count("\n") == 1


async def test_running_before_joining(tmp_path: Path) -> None:
    code, said = await agent("run", "qa", given=b"", home=tmp_path)
    assert (code, "join first" in said) == (2, True)
