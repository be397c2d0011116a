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
        told = await self._queries.as_of(_before_its_end(first), place.position)
        yield _Said([ExecutionChanged(execution=told)], number, str(place))
        async with aclosing(self._logs.batches(first.id, place.position)) as batches:
            async for batch in batches:
                if batch.records:
                    yield _Said(_printed(batch, place), number, str(place))
                    continue
                row = batch.row  # of what is over all is told; the journal of who is conducted here may lag behind
                all_told = row.state.final or row.host is Host.CONTROL_PLANE
                now = await self._queries.as_of(row, None if all_told else place.position)
                told, before = now, told
                yield _Said(_differences(before, now), number, ENDED if now.state.final else str(place))

    async def _changes(self, first: ExecutionRow, number: int, token: str) -> AsyncGenerator[_Said]:
        """One execution without its output."""
        told: ExecutionView | None = None
        async with aclosing(self._logs.changes(first.id)) as rows:
            async for row in rows:
                now = await self._queries.as_of(row)
                told, before = now, told
                yield _Said(_differences(before, now), number, token)


def _printed(batch: Batch, place: Place) -> Sequence[WatchEvent]:
    texts = place.texts(chunks_of(batch.row.id, batch.records))
    events = [LogPrinted.model_construct(log=log) for log in texts]
    place.position = batch.records[-1].position
    return events


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
