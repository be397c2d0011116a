"""What steps printed, read from the journals: once, or as it comes, from any position, by any number of readers.

Called by services.watching, services.explanations and control_plane.web. A reader reads at its own pace and holds
back nothing; signals wake it. Bytes stay bytes here; services.decoding makes text of them. Knows nothing of HTTP.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from control_plane.ports.journals import JournalLog, Position, Stored
from control_plane.ports.records import ExecutionRow
from control_plane.ports.signals import Signals
from control_plane.ports.store import Store, Unit
from control_plane.services.merging import Merge
from workflow.identifiers import ExecutionId, Instant, RunId, StepRef
from workflow.journal import Output, StepFinished, Stream
from workflow.plan import encode
from workflow.plan.nodes import walk

START: Final = Position(0, 0)
PAGE: Final = 512 * 1024
"""Bytes that one reader holds at once, about."""
SMALL_PAGE: Final = 64 * 1024
"""The same for each execution of a run that is read in order of time."""
RECHECK: Final = 5.0
"""Seconds after which a waiting reader looks by itself: signals may be lost."""


class NoSuchStep(LookupError):
    """No execution that was asked for has such a step. The message names those that there are."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that a step printed, or (``last``) the end of the step. ``position`` resumes behind it."""

    execution: ExecutionId
    position: Position
    ref: StepRef
    stream: Stream
    at: Instant
    data: bytes
    last: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Journal records in order. ``row`` is the execution as it stood before they were read."""

    row: ExecutionRow
    records: Sequence[Stored]
    drained: bool  # there was nothing more: ``row``'s state may be told now


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which output to read. ``step`` is a reference, an id or a name; what stands inside it belongs to it."""

    step: str | None = None
    agent: str | None = None
    attempt: int | None = None


ALL: Final = Wanted()


@dataclass(slots=True)
class _Reader:
    """Where reading one execution stands."""

    execution: ExecutionId
    after: Position
    attempt: int | None
    refs: frozenset[StepRef] | None  # None: all
    chunks: list[Chunk] = field(default_factory=list)


class Logs:
    """See the module."""

    def __init__(self, store: Store, journals: JournalLog, signals: Signals) -> None:
        self._store = store
        self._journals = journals
        self._signals = signals

    async def read(self, execution: ExecutionId, after: Position = START, limit: int = PAGE) -> Sequence[Chunk]:
        """What was printed behind ``after``, about ``limit`` bytes; empty where there is nothing more for now."""
        while records := await self._journals.read(execution, after, limit=limit):
            if chunks := chunks_of(execution, records):
                return chunks
            after = records[-1].position
        return ()

    async def batches(
        self, execution: ExecutionId, after: Position = START, *, follow: bool = True, page: int = PAGE
    ) -> AsyncGenerator[Batch]:
        """All journal records behind ``after``; with ``follow`` until the execution ended and everything was read.

        A batch comes for every change of the execution too, then maybe without records. KeyError: no such execution.
        """
        with self._signals.subscribe(f"execution/{execution}") as bell:
            while True:
                row = await self._row(execution)  # before the records: of what is over, all records are there
                while records := await self._journals.read(execution, after, limit=page):
                    after = records[-1].position
                    yield Batch(row, records, drained=False)
                yield Batch(row, (), drained=True)
                if row.state.final or not follow:
                    return
                await bell.wait(RECHECK)

    async def changes(self, execution: ExecutionId) -> AsyncGenerator[ExecutionRow]:
        """The execution now and after every change, until it has ended. KeyError: no such execution."""
        with self._signals.subscribe(f"execution/{execution}") as bell:
            while True:
                row = await self._row(execution)
                yield row
                if row.state.final:
                    return
                await bell.wait(RECHECK)

    async def follow(
        self, execution: ExecutionId, after: Position = START, wanted: Wanted = ALL, *, follow: bool = True
    ) -> AsyncGenerator[Sequence[Chunk]]:
        """What was and will be printed, in pieces that are never empty. KeyError: no such execution."""
        row = await self._row(execution)
        reader = (await self._readers([row], {execution: after}, wanted))[0]
        async with aclosing(self.batches(execution, after, follow=follow)) as batches:
            async for batch in batches:
                if chunks := chunks_of(execution, batch.records, reader.attempt, reader.refs):
                    yield chunks

    async def of_run(
        self, run: RunId, wanted: Wanted = ALL, after: Mapping[ExecutionId, Position] | None = None
    ) -> AsyncGenerator[Sequence[Chunk]]:
        """What all executions of a run have printed so far, in order of time; of some only what comes behind a
        position."""
        rows = [row for row in await self._rows(run) if wanted.agent in (None, row.agent)]
        readers = await self._readers(rows, after or {}, wanted)
        heap: list[tuple[Instant, int]] = []
        for number, reader in enumerate(readers):
            await self._next(reader, number, heap)
        while heap:
            _, number = heapq.heappop(heap)
            yield (readers[number].chunks.pop(0),)
            await self._next(readers[number], number, heap)

    async def follow_run(
        self, run: RunId, wanted: Wanted = ALL, after: Mapping[ExecutionId, Position] | None = None
    ) -> AsyncGenerator[Sequence[Chunk]]:
        """The same, and what will be printed, until every execution has ended and no other can come."""
        positions = dict(after or {})
        async with aclosing(self.of_run(run, wanted, after)) as past:
            async for chunks in past:
                positions[chunks[-1].execution] = chunks[-1].position
                yield chunks
        async with Merge[Sequence[Chunk]]() as merge:
            merge.add(self._newcomers(run, positions, wanted, merge))
            async with aclosing(merge.items()) as items:
                async for chunks in items:
                    if chunks:
                        yield chunks

    async def executions(self, run: RunId) -> AsyncGenerator[Sequence[ExecutionRow]]:
        """The run's executions that were not told before, each time that there are some; ends with the run."""
        known: set[ExecutionId] = set()
        with self._signals.subscribe(f"run/{run}") as bell:
            while True:
                over, fresh = await self._store.read(lambda unit: _run_now(unit, run, known))
                known.update(row.id for row in fresh)
                yield fresh
                if over:
                    return
                await bell.wait(RECHECK)

    async def _newcomers(
        self, run: RunId, positions: Mapping[ExecutionId, Position], wanted: Wanted, merge: Merge[Sequence[Chunk]]
    ) -> AsyncGenerator[Sequence[Chunk]]:
        async with aclosing(self.executions(run)) as arrivals:
            async for rows in arrivals:
                for row in rows:
                    merge.add(self._quietly(row.id, positions.get(row.id, START), wanted))
                yield ()

    async def _quietly(
        self, execution: ExecutionId, after: Position, wanted: Wanted
    ) -> AsyncGenerator[Sequence[Chunk]]:
        """As ``follow``; an execution without the wanted step, or on another agent, has nothing to say."""
        refs = await self._refs([execution], wanted.step)
        async with aclosing(self.batches(execution, after)) as batches:
            async for batch in batches:
                chunks = chunks_of(execution, batch.records, wanted.attempt, refs[execution])
                if chunks and wanted.agent in (None, batch.row.agent):
                    yield chunks

    async def _next(self, reader: _Reader, number: int, heap: list[tuple[Instant, int]]) -> None:
        """Put the reader's next chunk on the heap, where it has one."""
        while not reader.chunks:
            records = await self._journals.read(reader.execution, reader.after, limit=SMALL_PAGE)
            if not records:
                return
            reader.after = records[-1].position
            reader.chunks = chunks_of(reader.execution, records, reader.attempt, reader.refs)
        heapq.heappush(heap, (reader.chunks[0].at, number))

    async def _readers(
        self, rows: Sequence[ExecutionRow], after: Mapping[ExecutionId, Position], wanted: Wanted
    ) -> list[_Reader]:
        refs = await self._refs([row.id for row in rows], wanted.step)
        return [_Reader(row.id, after.get(row.id, START), wanted.attempt, refs[row.id]) for row in rows]

    async def _refs(
        self, executions: Sequence[ExecutionId], step: str | None
    ) -> dict[ExecutionId, frozenset[StepRef] | None]:
        if step is None:
            return dict.fromkeys(executions)
        return await self._store.read(lambda unit: {one: _matching(unit, one, step) for one in executions})

    async def _row(self, execution: ExecutionId) -> ExecutionRow:
        row = await self._store.read(lambda unit: unit.executions.get(execution))
        if row is None:
            raise KeyError(execution)
        return row

    async def check_step(self, executions: Sequence[ExecutionId], step: str) -> None:
        """Raises NoSuchStep where none of them has a step of this reference, id or name."""
        if not any((await self._refs(executions, step)).values()):
            names = await self._store.read(lambda unit: _step_names(unit, executions))
            raise NoSuchStep(f"there is no step {step[:80]!r}; there are: {', '.join(names) or 'none'}")

    async def _rows(self, run: RunId) -> Sequence[ExecutionRow]:
        return await self._store.read(lambda unit: unit.executions.of_run(run))


def _run_now(unit: Unit, run: RunId, known: AbstractSet[ExecutionId]) -> tuple[bool, Sequence[ExecutionRow]]:
    """Whether nothing more can come, and the executions that are not ``known``."""
    row, glances = unit.runs.get(run), unit.executions.glances([run])
    over = (row is None or row.finished_at is not None) and all(glance.state.final for glance in glances)
    found = (unit.executions.get(glance.id) for glance in glances if glance.id not in known)
    return over, [execution for execution in found if execution is not None]


def chunks_of(
    execution: ExecutionId,
    records: Iterable[Stored],
    attempt: int | None = None,
    refs: frozenset[StepRef] | None = None,
) -> list[Chunk]:
    """The output among journal records, of this attempt and these steps alone where they are given."""
    found = []
    for stored in records:
        entry, position = stored.record.entry, stored.position
        if not isinstance(entry, Output | StepFinished) or attempt not in (None, position.attempt):
            continue
        if refs is not None and entry.ref not in refs:
            continue
        if isinstance(entry, Output):
            found.append(Chunk(execution, position, entry.ref, entry.stream, entry.at, entry.data))
        else:
            found.append(Chunk(execution, position, entry.ref, Stream.SYSTEM, entry.at, b"", last=True))
    return found


def _matching(unit: Unit, execution: ExecutionId, step: str) -> frozenset[StepRef]:
    """The references of the steps called ``step``, and of all inside them."""
    plan = unit.executions.plan(execution)
    if plan is None:
        return frozenset()
    steps = walk(encode.from_bytes(plan.plan).steps)
    roots = [one.ref for one in steps if step in (one.ref, one.id, one.name)]
    return frozenset(
        one.ref for one in steps if any(one.ref == root or one.ref.startswith(f"{root}.") for root in roots)
    )


def _step_names(unit: Unit, executions: Sequence[ExecutionId], limit: int = 20) -> list[str]:
    names: dict[str, None] = {}
    for execution in executions:
        plan = unit.executions.plan(execution)
        for step in walk(encode.from_bytes(plan.plan).steps) if plan else ():
            names[step.name or step.id or step.ref] = None
    return list(names)[:limit]
