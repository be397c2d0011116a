"""``muster up`` and ``down`` where they cannot: a sentence, nothing left running. That they can is shown by the
scenarios.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from muster.local import LocalState
from tests.muster.cli.conftest import Prompt


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    """``muster`` without a control plane, with a state directory of its own."""
    return Prompt("", {"MUSTER_STATE": str(tmp_path / "state")})


@pytest.mark.parametrize("detach", [(), ("--detach",)])
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--agents", "dev,dev"), "--agents names an environment twice: dev,dev"),
        (("--agents", "dev,a b"), "--agents: 'a b' is no name"),
        (("--environments", "{folder}/none"), "--environments: there is no folder"),
        (("--max-concurrent", "0"), "--max-concurrent"),
        (("--state", "/proc/none/x"), "/proc/none"),
        (("--state", "{folder}/file/x"), "Not a directory"),
    ],
)
async def test_what_cannot_start(
    prompt: Prompt, tmp_path: Path, words: tuple[str, ...], sentence: str, detach: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("")
    done = await prompt("up", *(word.replace("{folder}", str(tmp_path)) for word in words), *detach)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("detach", [(), ("--detach",)])
async def test_once_is_enough(prompt: Prompt, tmp_path: Path, detach: tuple[str, ...]) -> None:
    state = LocalState(tmp_path / "state")
    state.prepare()
    with state.claim():  # by this process, which lives
        done = await prompt("up", *detach)
    assert done.exit_code == 3
    assert f"error: muster is already up on {state.directory}" in done.stderr


async def test_nothing_to_stop(prompt: Prompt, tmp_path: Path) -> None:
    done = await prompt("down")
    assert (done.exit_code, done.stderr) == (0, f"nothing runs on {tmp_path}/state\n")
