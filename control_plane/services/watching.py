"""A run as it happens: one stream of events, from its beginning or from any event that was heard before.

Called by control_plane.web. Within an execution events come in the order of its journal: what was printed before a
state comes before that state. State is told anew on every call; output goes on where the token says. Knows nothing of
HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from control_plane.ports.records import ExecutionRow, Host
from control_plane.services.decoding import BadPlace, Place
from control_plane.services.logs import Batch, Logs, chunks_of
from control_plane.services.merging import Merge
from control_plane.services.queries import Queries
from control_plane.services.steps import Course
from workflow.identifiers import RunId
from workflow.states import ExecutionState
from workflow.views import (
    ExecutionChanged,
    ExecutionView,
    LogPrinted,
    RunChanged,
    RunEnded,
    RunView,
    StepChanged,
    StepView,
    WatchEvent,
)

MAX_TOKEN: Final = 256 * 1024
"""Characters of a watch's token at the most."""
MANY: Final = 20
"""Executions above which a run's own state is told no more often than every BREATH seconds."""
BREATH: Final = 0.05
ENDED: Final = "e"
"""Stands in a token for an execution of which everything was told."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Events that belong together, and the token that goes on behind them."""

    events: Sequence[WatchEvent]
    token: str


@dataclass(frozen=True, slots=True)
class _Said:
    """What one source says: events, and how far execution ``number`` is told then."""

    events: Sequence[WatchEvent]
    number: int = -1
    place: str = ""


def places_of(token: str) -> list[str]:
    """How far each execution was told, in order of creation. Raises BadPlace for what was not given out here."""
    if len(token) > MAX_TOKEN:
        raise BadPlace("the place to go on from is too long to be one")
    places = token.split(",") if token else []
    for place in places:
        if place != ENDED:
            Place(place)
    return places


class Watching:
    """See the module."""

    def __init__(self, queries: Queries, logs: Logs) -> None:
        self._queries = queries
        self._logs = logs

    async def watch(self, run: RunView, places: Sequence[str] = (), *, logs: bool = True) -> AsyncGenerator[Heard]:
        """Everything behind ``places`` until RunEnded."""
        told = list(places)
        async with Merge[_Said]() as merge:
            merge.add(self._run_events(run, tuple(places), merge, logs))
            async with aclosing(merge.items()) as items:
                async for said in items:
                    if said.number >= 0:
                        told.extend([""] * (said.number + 1 - len(told)))
                        told[said.number] = said.place
                    if said.events:
                        yield Heard(said.events, ",".join(told))
        last = await self._queries.run_alone(run.id)
        yield Heard([RunEnded(run=last or run)], ",".join(told))

    async def _run_events(
        self, run: RunView, places: Sequence[str], merge: Merge[_Said], logs: bool
    ) -> AsyncGenerator[_Said]:
        told: RunView | None = None
        number = 0
        async with aclosing(self._logs.executions(RunId(run.id))) as arrivals:
            async for rows in arrivals:
                now = await self._queries.run_alone(run.id)
                if now is not None and now != told:
                    told = now
                    yield _Said([RunChanged(run=now)])
                for row in rows:
                    place = places[number] if number < len(places) else ""
                    with_logs = logs and place != ENDED
                    merge.add(self._told(row, number, place) if with_logs else self._changes(row, number, place))
                    number += 1
                if number > MANY:
                    await asyncio.sleep(BREATH)

    async def _told(self, first: ExecutionRow, number: int, token: str) -> AsyncGenerator[_Said]:
        """One execution, its output and its states in the order of its journal."""
        place = Place(token)
        telling = _Telling(self._queries, place, await self._queries.as_of(_before_its_end(first), place.position))
        yield _Said([ExecutionChanged(execution=telling.told)], number, str(place))
        async with aclosing(self._logs.batches(first.id, place.position)) as batches:
            async for batch in batches:
                events = await (telling.records(batch) if batch.records else telling.state(batch.row))
                ended = not batch.records and telling.told.state.final
                yield _Said(events, number, ENDED if ended else str(place))

    async def _changes(self, first: ExecutionRow, number: int, token: str) -> AsyncGenerator[_Said]:
        """One execution without its output."""
        told: ExecutionView | None = None
        async with aclosing(self._logs.changes(first.id)) as rows:
            async for row in rows:
                now = await self._queries.as_of(row)
                told, before = now, told
                yield _Said(_differences(before, now), number, token)


class _Telling:
    """How one execution is told: each record in its turn."""

    def __init__(self, queries: Queries, place: Place, told: ExecutionView) -> None:
        self._queries = queries
        self._place = place
        self._course: Course | None = None
        self._attempt = -1
        self.told = told

    async def records(self, batch: Batch) -> Sequence[WatchEvent]:
        """What was printed and what became of steps. The journal of who is conducted here lags behind its steps,
        which are told with its state then."""
        if batch.row.host is Host.CONTROL_PLANE:
            return self._printed(batch, None)
        if batch.row.attempt != self._attempt:
            await self._begin(batch.row)
        now = await self._queries.bare(_before_its_end(batch.row))
        began = _differences(self.told, now.model_copy(update={"steps": self.told.steps}))
        events = [*began, *self._printed(batch, self._course)]
        self.told = now.model_copy(update={"steps": self._course.views(now.state) if self._course else ()})
        return events

    async def _begin(self, row: ExecutionRow) -> None:
        """Follow the steps of the row's attempt; only this once, where the store lags behind what was told already."""
        place = self._place.position
        self._course = await self._queries.course(row, place)
        lags = place.attempt == row.attempt and place.seq > row.applied_seq
        self._attempt = -1 if lags else row.attempt

    async def state(self, row: ExecutionRow) -> Sequence[WatchEvent]:
        """Where it stands, now that all records were told."""
        before = self.told
        if row.state.final or row.host is Host.CONTROL_PLANE:
            self.told = await self._queries.as_of(row)
        elif row.attempt != self._attempt:
            self.told = await self._queries.as_of(row, self._place.position)
        else:
            now = await self._queries.bare(row)
            self.told = now.model_copy(update={"steps": self._course.views(row.state) if self._course else ()})
        return _differences(before, self.told)

    def _printed(self, batch: Batch, course: Course | None) -> Sequence[WatchEvent]:
        """Output as it came; before it, the steps that changed since the output before."""
        events: list[WatchEvent] = []
        changed: dict[str, StepView] = {}
        for stored in batch.records:
            logs = [*self._place.texts(chunks_of(batch.row.id, (stored,)))]
            if logs:
                events += [StepChanged(execution=batch.row.id, step=step) for step in changed.values()]
                events += [LogPrinted.model_construct(log=log) for log in logs]
                changed.clear()
            if course is not None and stored.position.attempt == batch.row.attempt:
                step = course.take(stored.record.entry)
                if step is not None:
                    changed[step.ref] = step
        self._place.position = batch.records[-1].position
        return [*events, *(StepChanged(execution=batch.row.id, step=step) for step in changed.values())]


def _before_its_end(row: ExecutionRow) -> ExecutionRow:
    """The execution as it was before its last entries, which are still to be told."""
    if not row.state.final:
        return row
    state = ExecutionState.QUEUED if row.started_at is None else ExecutionState.RUNNING
    return replace(row, state=state, reason="", finished_at=None)


def _differences(before: ExecutionView | None, now: ExecutionView) -> Sequence[WatchEvent]:
    if before is None or before.model_copy(update={"steps": now.steps}) != now or len(before.steps) != len(now.steps):
        return [ExecutionChanged(execution=now)]
    steps = zip(before.steps, now.steps, strict=True)
    return [StepChanged(execution=now.id, step=new) for old, new in steps if old != new]
