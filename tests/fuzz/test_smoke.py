"""The targets of the fuzzer, shortly and always the same: every seed, and seeds cut, joined and bent by Hypothesis."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import targets
from tests.fuzz.targets import TARGETS, Hang, tried

SEEDS = Path(__file__).parent / "seeds"
ALL = sorted(path.relative_to(SEEDS) for path in SEEDS.rglob("*") if path.is_file())
TOKENS = [
    b"{{",
    b"}}",
    b"\n",
    b"  ",
    b"- ",
    b": ",
    b"&a ",
    b"*a",
    b"<<: ",
    b'"',
    b"'",
    b"config.a",
    b"\x00",
    b"\xff",
    b"*/",
    b",",
]


@pytest.mark.parametrize("seed", ALL, ids=str)
def test_seeds(seed: Path) -> None:
    """Whatever a seed is meant for, every target answers it."""
    for name in TARGETS:
        tried(name, (SEEDS / seed).read_bytes())


def bent(name: str) -> st.SearchStrategy[bytes]:
    """Pieces of a target's seeds with tokens between them."""
    seeds = [(SEEDS / path).read_bytes() for path in ALL if path.parts[0] == name]
    piece = st.tuples(st.sampled_from(seeds), st.integers(0, 2000), st.integers(0, 2000)).map(
        lambda cut: cut[0][min(cut[1], cut[2]) % (len(cut[0]) + 1) :][: max(cut[1], cut[2])]
    )
    whole = st.tuples(st.sampled_from(seeds), st.integers(0, 2000), st.sampled_from(TOKENS)).map(
        lambda cut: cut[0][: (at := cut[1] % (len(cut[0]) + 1))] + cut[2] + cut[0][at:]
    )
    return st.one_of(whole, st.lists(st.one_of(piece, st.sampled_from(TOKENS)), max_size=6).map(b"".join))


@pytest.mark.parametrize("name", TARGETS)
def test_bent_seeds(name: str) -> None:
    @settings(derandomize=True, max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(bent(name))
    def bend(data: bytes) -> None:
        tried(name, data[:4096])

    bend()


def test_a_crash_and_a_hang_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(data: bytes) -> None:
        raise KeyError("a defect")

    def spin(data: bytes) -> None:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass

    monkeypatch.setattr(targets, "SLOW", 0.01)
    monkeypatch.setattr(targets, "TARGETS", {"crash": crash, "spin": spin})
    with pytest.raises(KeyError):
        tried("crash", b"")
    with pytest.raises(Hang):
        tried("spin", b"")


def test_an_unknown_target_is_told_what_there_is() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.fuzz", "nothing"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"usage: python -m tests.fuzz {'|'.join(sorted(TARGETS))}")
