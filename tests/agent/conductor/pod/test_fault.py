"""A conductor that breaks leaves what and where, and no message, for the one that comes after it in the same pod."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from agent.conductor.pod import main
from agent.conductor.pod.terms import BUNDLE, PodTerms


def test_what_broke_it_is_told_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(data: bytes, most: int) -> bytes:
        raise AttributeError(f"hunter2 {most}")

    class Unpacker:
        decompress = staticmethod(breaks)

    (tmp_path / BUNDLE).write_bytes(b"x")
    monkeypatch.setattr("zlib.decompressobj", Unpacker)
    with socket.socket() as listening, pytest.raises(AttributeError):
        main.main(tmp_path, PodTerms({}, own=str(tmp_path)), listening)
    told = main._before(tmp_path)
    assert re.fullmatch(
        r"the conductor met something that it did not expect \(AttributeError in tests\.\S+, line \d+\); "
        r"this is a bug in muster: please report it",
        told,
    )


def test_one_that_was_killed_left_nothing(tmp_path: Path) -> None:
    assert main._before(tmp_path) == "the conductor was started again: it, or its container, had been killed"
    group = ExceptionGroup("several", [ExceptionGroup("one", [KeyError("hunter2")])])
    assert main._told(group) == "KeyError in nowhere"
