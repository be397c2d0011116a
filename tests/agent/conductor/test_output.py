"""What is kept of what steps print: all, or as much as is allowed, and then the place and the count are told."""

from __future__ import annotations

import asyncio
import tempfile
from operator import attrgetter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent.conductor.allowance import LITTLE, Allowance, amount
from agent.conductor.journal import Journal, left
from agent.conductor.output import Printed
from agent.conductor.pod.token import Tokens
from tests.agent.conftest import Bench
from tests.agent.plans import assign, plan, shell
from workflow.identifiers import StepRef
from workflow.journal import Output, StepFinished, Stream


async def printed(folder: Path, limit: int, *pieces: bytes) -> list[tuple[Stream, bytes]]:
    """The journal's output of a step that prints these, each flushed."""
    journal = Journal(folder)
    step = Printed(journal, StepRef("1"), ("secret",), Allowance(limit).share())
    for piece in pieces:
        step.add(Stream.STDOUT, piece)
        await step.flush()
    await step.finish()
    journal.close()
    entries = [record.entry for record in left(folder, 0)]
    return [(entry.stream, entry.data) for entry in entries if isinstance(entry, Output)]


async def test_beyond_the_limit_the_place_and_the_count_are_told(tmp_path: Path) -> None:
    found = await printed(tmp_path / "j", 8, b"hello ", b"world\n", b"and more\n")
    assert found == [
        (Stream.STDOUT, b"hello "),
        (Stream.STDOUT, b"wo"),
        (
            Stream.SYSTEM,
            b"this step has printed 8 bytes, which is all that is kept of it (log_limit): "
            b"what it prints from here on is dropped\n",
        ),
        (Stream.SYSTEM, b"13 bytes that this step printed were not kept\n"),
    ]


async def test_what_fits_exactly_is_whole_and_nothing_is_said(tmp_path: Path) -> None:
    assert await printed(tmp_path / "j", 6, b"hello\n") == [(Stream.STDOUT, b"hello\n")]


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=8), st.integers(1, 60))
def test_however_it_is_cut_the_kept_and_the_dropped_are_all(pieces: list[bytes], limit: int) -> None:
    whole = b"".join(pieces).replace(b"secret", b"*****")
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(printed(Path(folder) / "j", limit, *pieces))
    kept = b"".join(data for stream, data in found if stream is Stream.STDOUT)
    told = [data for stream, data in found if stream is Stream.SYSTEM]
    assert kept == whole[:limit]
    assert len(told) == (2 if len(whole) > limit else 0)
    if told:
        assert told[-1].split()[0] == str(len(whole) - limit).encode()


async def test_a_step_that_floods_leaves_something_to_those_that_follow(bench: Bench) -> None:
    flood = "head -c 1000000 /dev/zero | tr '\\0' x"
    work = assign(plan(shell(flood), shell(flood), shell("printf after")), log_limit=8 * LITTLE)
    held = await bench.run(work)
    assert [len(held.output(ref)) for ref in ("1", "2", "3")] == [4 * LITTLE, 2 * LITTLE, 5]
    assert held.output("1", Stream.SYSTEM).endswith(b"737856 bytes that this step printed were not kept\n")
    assert held.output("3", Stream.SYSTEM) == b""
    ends = [entry for entry in map(attrgetter("entry"), held.records) if isinstance(entry, StepFinished)]
    assert [(entry.ref, entry.dropped) for entry in ends] == [("1", 737856), ("2", 868928), ("3", 0)]
    assert held.finished is not None and held.finished.state.value == "passed"


def test_a_step_always_gets_half_of_what_is_left_and_a_little_in_any_case() -> None:
    whole, shares = Allowance(16 * LITTLE), []
    for _ in range(6):
        share = whole.share()
        shares.append(share.grant(100 * LITTLE) // LITTLE)
    assert shares == [8, 4, 2, 1, 1, 1]


async def test_a_token_that_is_renewed_while_a_step_runs_is_masked_before_and_after(tmp_path: Path) -> None:
    file, journal = tmp_path / "token", Journal(tmp_path / "j")
    file.write_text("first-token\n")
    tokens = Tokens(file)
    step = Printed(journal, StepRef("1"), ("secret",), None, tokens)
    assert tokens() is tokens()
    for printed in (b"a first-token b sec", b"ret c ", b"first-token and second-token\n"):
        if printed.startswith(b"first"):
            (tmp_path / "next").write_text("second-token\n")
            (tmp_path / "next").rename(file)
        step.add(Stream.STDOUT, printed)
        await step.flush()
    file.unlink()
    step.add(Stream.STDOUT, b"second-token")
    await step.finish()
    journal.close()
    entries = [record.entry for record in left(tmp_path / "j", 0)]
    shown = b"".join(entry.data for entry in entries if isinstance(entry, Output))
    assert shown == b"a ***** b ***** c ***** and *****\n*****"


def test_sizes_for_people() -> None:
    assert [amount(size) for size in (12, 1536, 1 << 20, 3 << 29)] == ["12 bytes", "1.5 KiB", "1 MiB", "1.5 GiB"]
