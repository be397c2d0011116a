"""What is there before a conductor is loaded."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from agent.conductor.pod.early import begin
from agent.conductor.pod.script import ANSWERS, GATE, PIPES
from agent.conductor.pod.terms import TERMS, PodTerms
from tests.busybox import BUSYBOX, NO_BUSYBOX


@pytest.fixture
def terms(tmp_path: Path) -> PodTerms:
    """Those of a pod with two containers, in a folder of the test's own."""
    shared = tuple(str(tmp_path / name) for name in ("data", "testkube", "tmp", "work"))
    for path in shared:
        Path(path).mkdir()
    made = PodTerms(
        containers={"1": "step-1", "2": "step-2", "3": "step-1"},
        shared=shared,
        own=str(tmp_path / "own"),
        work=str(tmp_path / "work"),
        listen="127.0.0.1",
        port=_free(),
    )
    (tmp_path / TERMS).write_text(json.dumps(asdict(made)))
    return made


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def test_pipes_are_there_for_whoever_the_images_user_is(tmp_path: Path, terms: PodTerms) -> None:
    mask = os.umask(0o077)
    try:
        with begin(tmp_path)[1]:
            pass
    finally:
        os.umask(mask)
    for name in ("step-1", "step-2"):
        for pipe in PIPES:
            mode = (terms.gates / name / pipe).stat().st_mode
            assert stat.S_ISFIFO(mode) and stat.S_IMODE(mode) == 0o666


def test_who_calls_before_it_is_loaded_waits_and_is_answered_at_once(tmp_path: Path, terms: PodTerms) -> None:
    found, listening = begin(tmp_path)
    with listening, socket.create_connection(("127.0.0.1", terms.port), timeout=30) as caller:
        caller.sendall(b"early")
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.recv(16) == b"early"
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert accepted.proto == socket.IPPROTO_TCP  # by which asyncio knows that it may say so itself
    assert found == terms


def test_a_second_conductor_of_the_same_pod_finds_all_as_it_was(tmp_path: Path, terms: PodTerms) -> None:
    begin(tmp_path)[1].close()
    before = [(terms.gates / "step-1" / pipe).stat().st_ino for pipe in PIPES]
    begin(tmp_path)[1].close()
    assert [(terms.gates / "step-1" / pipe).stat().st_ino for pipe in PIPES] == before


@pytest.mark.skipif(not BUSYBOX, reason=NO_BUSYBOX)
def test_a_gate_that_starts_first_waits_for_its_pipes(tmp_path: Path, terms: PodTerms) -> None:
    folder = terms.gates / "step-1"
    gate = subprocess.Popen([BUSYBOX, "sh", "-c", GATE, "gate", str(folder), BUSYBOX], start_new_session=True)
    try:
        begin(tmp_path)[1].close()
        ends = [os.open(folder / pipe, os.O_RDWR) for pipe in PIPES if pipe != ANSWERS]
        with (folder / ANSWERS).open() as answers:
            assert answers.readline().startswith("hello ")
        for end in ends:
            os.close(end)
    finally:
        gate.kill()
        gate.wait()
