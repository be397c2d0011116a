"""``python -m agent`` as a person meets it: one sentence, no traceback."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path


def agent(*arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments],
        input=stdin,
        env={**os.environ, **env},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_who_never_joined_is_told_how(tmp_path: Path) -> None:
    done = agent("run", "--state", str(tmp_path / "new"))
    assert done.returncode == 2
    assert "has not joined" in done.stderr and "agent join" in done.stderr and "Traceback" not in done.stderr


def test_what_is_no_join_string_is_refused(tmp_path: Path) -> None:
    done = agent("join", "--state", str(tmp_path), stdin="hello\n")
    assert done.returncode == 2
    assert "no join string" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "identity.json").exists()


def test_wrong_settings_are_all_told(tmp_path: Path) -> None:
    done = agent("run", "--state", str(tmp_path), MUSTER_AGENT_ISOLATION="jail", MUSTER_AGENT_COLOUR="red")
    assert done.returncode == 2
    assert done.stderr.count("muster agent:") == 2 and "Traceback" not in done.stderr


def test_a_directory_is_one_agents_alone(tmp_path: Path) -> None:
    with (tmp_path / "agent.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        done = agent("run", "--state", str(tmp_path))
    assert done.returncode == 2 and "another agent runs" in done.stderr


def test_a_directory_that_cannot_be_had_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = agent("run", "--state", str(tmp_path / "file" / "state"))
    assert done.returncode == 2 and "cannot be used" in done.stderr and "Traceback" not in done.stderr
