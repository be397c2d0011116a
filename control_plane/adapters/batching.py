"""One thread that does in one go all that waits: the group commit of the adapters that keep things on disk.

Called by control_plane.adapters.sqlite and .segments: many coroutines submit a job each, the thread takes every job
that has come meanwhile, performs them together (one fsync for all), and answers all. Under load batches grow by
themselves; without load a job waits for nobody. Knows nothing of what the jobs are.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

J = TypeVar("J")


@dataclass(frozen=True, slots=True)
class Done:
    """A job's value."""

    value: object


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a job came to nothing."""

    error: Exception


Outcome: TypeAlias = Done | Failed
Perform: TypeAlias = Callable[[Sequence[J]], Sequence[Outcome]]


@dataclass(frozen=True, slots=True)
class _Ticket(Generic[J]):
    job: J
    weight: int
    answer: asyncio.Future[object]


class Batcher(Generic[J]):
    """The thread.

    ``perform`` gets jobs in the order of their coming and gives an outcome for each; ``max_weight`` bounds the sum of
    one batch (a job heavier than that goes alone).
    """

    def __init__(self, name: str, perform: Perform[J], max_weight: int, closed: Callable[[], Exception]) -> None:
        self._perform = perform
        self._max_weight = max_weight
        self._closed_error = closed
        self._closed = False
        self._queue: queue.SimpleQueue[_Ticket[J] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: J, weight: int = 1) -> asyncio.Future[object]:
        """The job's value to come, once the batch that it is in is done; or its error.

        Who cancels it leaves the job to happen or not.
        """
        if self._closed:
            raise self._closed_error()
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._queue.put(_Ticket(job, weight, answer))
        return answer

    async def close(self) -> None:
        """Do what was submitted, then end the thread. May be called again."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        pending: _Ticket[J] | None = None
        while True:
            first = pending if pending is not None else self._queue.get()
            if first is None:
                return
            batch, pending, ends = self._gather(first)
            self._answer(batch)
            if ends:
                return

    def _gather(self, first: _Ticket[J]) -> tuple[list[_Ticket[J]], _Ticket[J] | None, bool]:
        """What waits and fits; the one that no longer fits; whether the end was reached."""
        batch, weight = [first], first.weight
        while True:
            try:
                ticket = self._queue.get_nowait()
            except queue.Empty:
                return batch, None, False
            if ticket is None:
                return batch, None, True
            weight += ticket.weight
            if weight > self._max_weight:
                return batch, ticket, False
            batch.append(ticket)

    def _answer(self, batch: Sequence[_Ticket[J]]) -> None:
        wanted = [ticket for ticket in batch if not ticket.answer.cancelled()]
        try:
            outcomes = self._perform([ticket.job for ticket in wanted]) if wanted else ()
        except Exception as error:  # noqa: BLE001  whoever waits is told; a thread that died would leave them waiting for ever
            outcomes = [Failed(error)] * len(wanted)
        answers = [(ticket.answer, outcome) for ticket, outcome in zip(wanted, outcomes, strict=True)]
        for loop in {answer.get_loop() for answer, _ in answers}:
            mine = [(answer, outcome) for answer, outcome in answers if answer.get_loop() is loop]
            try:
                loop.call_soon_threadsafe(_settle, mine)
            except RuntimeError:
                continue  # the loop is closed: nobody waits any more


def _settle(answers: Iterable[tuple[asyncio.Future[object], Outcome]]) -> None:
    for answer, outcome in answers:
        if answer.done():
            continue
        match outcome:
            case Done(value=value):
                answer.set_result(value)
            case Failed(error=error):
                answer.set_exception(error)
