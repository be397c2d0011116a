"""The group commit's thread: what waits goes together, in order; everybody gets their own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from control_plane.adapters.batching import Batcher, Done, Failed, Outcome


class Closed(Exception):
    """What a closed batcher raises here."""


class Gate:
    """A perform that stands still until it is opened, and remembers its batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, jobs: Sequence[int]) -> Sequence[Outcome]:
        self.batches.append(list(jobs))
        self.entered.set()
        self.open.wait()
        if 13 in jobs:
            raise ArithmeticError("13")
        return [Failed(LookupError(str(job))) if job % 2 else Done(job * 10) for job in jobs]


async def test_what_waits_goes_together_and_no_heavier_than_allowed() -> None:
    gate = Gate()
    batcher = Batcher("test", gate, max_weight=5, closed=Closed)
    first = batcher.submit(0)
    await asyncio.to_thread(gate.entered.wait)
    rest = [batcher.submit(job) for job in range(2, 12, 2)]
    heavy = [batcher.submit(20, weight=9), batcher.submit(22)]
    gate.open.set()
    assert await asyncio.gather(first, *rest, *heavy) == [0, 20, 40, 60, 80, 100, 200, 220]
    assert gate.batches == [[0], [2, 4, 6, 8, 10], [20], [22]]
    await batcher.close()


async def test_each_gets_its_own_answer() -> None:
    gate = Gate()
    gate.open.set()
    batcher = Batcher("test", gate, max_weight=100, closed=Closed)
    answers = await asyncio.gather(*(batcher.submit(job) for job in range(6)), return_exceptions=True)
    assert answers[::2] == [0, 20, 40]
    assert all(isinstance(answer, LookupError) for answer in answers[1::2])
    await batcher.close()


async def test_a_mistake_in_the_thread_is_told_and_the_thread_goes_on() -> None:
    gate = Gate()
    gate.open.set()
    batcher = Batcher("test", gate, max_weight=1, closed=Closed)
    with pytest.raises(ArithmeticError):
        await batcher.submit(13)
    assert await batcher.submit(2) == 20
    await batcher.close()


async def test_closing_does_what_was_submitted_and_nothing_more() -> None:
    gate = Gate()
    batcher = Batcher("test", gate, max_weight=2, closed=Closed)
    waiting = [batcher.submit(job) for job in (0, 2, 4, 6, 8)]
    closing = asyncio.gather(batcher.close(), batcher.close())
    await asyncio.sleep(0)
    with pytest.raises(Closed):
        batcher.submit(10)
    gate.open.set()
    await closing
    assert await asyncio.gather(*waiting) == [0, 20, 40, 60, 80]


async def test_a_job_cancelled_before_its_batch_is_not_done() -> None:
    gate = Gate()
    batcher = Batcher("test", gate, max_weight=100, closed=Closed)
    first = batcher.submit(0)
    await asyncio.to_thread(gate.entered.wait)
    unwanted = batcher.submit(2)
    unwanted.cancel()
    gate.open.set()
    assert await first == 0
    assert await batcher.submit(4) == 40
    assert all(2 not in jobs for jobs in gate.batches)
    await batcher.close()
