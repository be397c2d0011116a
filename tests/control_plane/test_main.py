"""The program: starts, serves, stops; and says in a sentence why it cannot."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ANY_PORTS = {"MUSTER_GRPC_PORT": "0", "MUSTER_WEB_PORT": "0", "MUSTER_ENROL_PORT": "0"}


def program(state: Path, **environment: str) -> subprocess.Popen[str]:
    """A control plane as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "control_plane", "--state", str(state), "--log-level", "warning"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **ANY_PORTS, **environment},
    )


def refusal(state: Path, **environment: str) -> str:
    """What a control plane that cannot start says; it must end with 2 and without a traceback."""
    out, err = program(state, **environment).communicate(timeout=60)
    assert out == ""
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1, err
    return err


def test_it_serves_and_stops_on_sigterm(tmp_path: Path) -> None:
    state = tmp_path / "state"
    running = program(state)
    try:
        assert running.stdout is not None
        ready = json.loads(running.stdout.readline())
        assert set(ready) == {"grpc", "web", "enrol"}
        token = (state / "token").read_text().strip()
        assert (state / "token").stat().st_mode & 0o777 == 0o600
        assert httpx.get(f"{ready['web']}/healthz").json() == {"status": "ok"}
        assert httpx.get(f"{ready['web']}/v1/runs").status_code == 401
        runs = httpx.get(f"{ready['web']}/v1/runs", headers={"Authorization": f"Bearer {token}"})
        assert (runs.status_code, runs.json()) == (200, [])
        assert "already" in refusal(state) or "another" in refusal(state)
    finally:
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 0, err
    assert "Traceback" not in err


@pytest.mark.parametrize("port", ["MUSTER_GRPC_PORT", "MUSTER_WEB_PORT", "MUSTER_ENROL_PORT"])
def test_a_port_in_use_is_a_sentence(tmp_path: Path, port: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refusal(tmp_path / "state", **{port: str(taken.getsockname()[1])})
    flag = "--" + port.removeprefix("MUSTER_").lower().replace("_", "-")
    assert f"another program uses the port: process {os.getpid()} (" in said
    assert said.rstrip().endswith(f"end it, or choose another port with {flag}")


def test_a_state_directory_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refusal(tmp_path / "file" / "state")
    assert "the state directory" in said
    assert "--state" in said


def test_bad_settings_are_sentences(tmp_path: Path) -> None:
    assert "MUSTER_LEASE: lease must be seconds, not 'long'" in refusal(tmp_path, MUSTER_LEASE="long")
