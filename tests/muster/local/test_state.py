"""Who supervises a state directory: one at a time, whoever tries at once, and nobody's ghost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from muster.local import LocalState

CLAIM = """
import sys
from pathlib import Path
from muster.local import LocalState
try:
    with LocalState(Path(sys.argv[1])).claim():
        print("mine", flush=True)
        sys.stdin.read()
except FileExistsError as error:
    print(error, flush=True)
"""


def claiming(state: LocalState) -> subprocess.Popen[str]:
    """A process that claims the directory until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(state.directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def state(tmp_path: Path) -> LocalState:
    found = LocalState(tmp_path / "state")
    found.prepare()
    return found


def test_of_many_that_claim_at_once_one_has_it(state: LocalState) -> None:
    many = [claiming(state) for _ in range(6)]
    said = [one.stdout.readline().strip() for one in many if one.stdout]
    for one in many:
        one.communicate(timeout=60)
    assert said.count("mine") == 1
    others = [words for words in said if words != "mine"]
    assert all(words.startswith(f"muster is already up on {state.directory} (") for words in others)
    assert all("muster down" in words for words in others)


def test_the_one_that_has_it_is_named_and_leaves_nothing(state: LocalState) -> None:
    with state.claim():
        assert state.supervisor() == os.getpid()
        with pytest.raises(FileExistsError, match=f"process {os.getpid()}"), state.claim():
            pass
        assert state.supervisor() == os.getpid()  # who was refused took nothing away
    assert state.supervisor() is None
    with state.claim():
        pass


def test_what_was_killed_holds_nothing(state: LocalState) -> None:
    dead = claiming(state)
    assert dead.stdout is not None
    assert dead.stdout.readline() == "mine\n"
    dead.kill()
    dead.communicate()
    with state.claim():
        assert state.supervisor() == os.getpid()
