"""Journals coming up: each batch is made durable, then applied to the store, then acknowledged.

Called by control_plane.rpc, one OpenJournal for each stream. Output alone touches the journal and nothing else. What
the store could not take is not acknowledged and comes again; entries applied before are then skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from control_plane.ports.clock import Clock
from control_plane.ports.journals import JournalLog, Position
from control_plane.ports.records import ExecutionRow, Host
from control_plane.ports.signals import Signals
from control_plane.ports.store import Store
from control_plane.services.births import NO_BIRTHS, Nursery, wishes
from control_plane.services.commits import Commits, Committed
from control_plane.services.directives import Feed, Feeds
from control_plane.services.endings import refuse
from control_plane.services.progress.applying import apply, fresh_for, is_structural
from control_plane.services.progress.intake import Intake, TooMuch
from workflow.identifiers import AgentName, Attempt
from workflow.journal import Directive, Record
from workflow.session import Fenced, LinkDown, Refused
from workflow.states import ExecutionState

_LIVE = (ExecutionState.ASSIGNED, ExecutionState.RUNNING, ExecutionState.PAUSED, ExecutionState.STOPPING)


class Ingest:
    """Takes the records of one attempt, whoever brings them: one batch after another."""

    def __init__(self, progress: Progress, attempt: Attempt, stored: int) -> None:
        self._progress = progress
        self._attempt = attempt
        self._turn = asyncio.Lock()
        self._intake = Intake(progress.log_limit)
        self.stored = stored
        """Everything up to here is durable and applied."""

    async def take(self, records: Sequence[Record]) -> int:
        """Store and apply; the highest number that may be acknowledged. Fenced where it is too much."""
        async with self._turn:
            if records and records[-1].seq > self.stored:
                try:
                    cost = self._intake.cost(record for record in records if record.seq > self.stored)
                except TooMuch as much:
                    await self._progress.refuse(self._attempt, str(much))
                    raise Fenced(f"{self._attempt} is over: {much}") from None
                durable = await self._progress.journals.append(self._attempt, records)
                self._intake.took(cost)
                await self._progress.apply(self._attempt, [r for r in records if self.stored < r.seq <= durable])
                self.stored = max(self.stored, min(durable, records[-1].seq))
                self._progress.signals.publish(f"execution/{self._attempt.execution}")
            return self.stored


class OpenJournal:
    """One stream of one attempt."""

    def __init__(self, ingest: Ingest, feeds: Feeds, feed: Feed, attempt: Attempt) -> None:
        self._ingest = ingest
        self._feeds = feeds
        self._feed = feed
        self._attempt = attempt
        self._closed = False

    @property
    def acknowledged(self) -> int:
        """The highest number that is durable and applied: where the agent is to go on from."""
        return self._ingest.stored

    async def append(self, records: Sequence[Record]) -> int:
        """Make them durable and apply them; returns the highest number to acknowledge.

        JournalGap where a number is missing, JournalUnavailable and Unavailable where the disk refuses (the stream
        breaks, the agent comes again), Fenced where the attempt is over or was taken back, LinkDown where a newer
        stream took this one's place.
        """
        if self._closed or self._feed.superseded:
            raise LinkDown(f"this stream of {self._attempt} was closed")
        return await self._ingest.take(records)

    def directives(self) -> AsyncIterator[Directive]:
        """First all that holds now, then what changes; ends when the attempt is over. Raises Fenced, LinkDown,
        Unavailable. One reader."""
        return self._feed.directives()

    async def close(self) -> None:
        """The stream is over. The attempt is not."""
        self._closed = True
        self._feeds.end(self._attempt, self._feed)


class Progress:
    """The service. ``recover`` before anything is served."""

    def __init__(
        self,
        store: Store,
        journals: JournalLog,
        signals: Signals,
        clock: Clock,
        commits: Commits,
        feeds: Feeds,
        nursery: Nursery,
        log_limit: int = 0,
    ) -> None:
        self._store = store
        self.journals = journals
        self.signals = signals
        self.log_limit = log_limit
        self._clock = clock
        self._commits = commits
        self._feeds = feeds
        self._nursery = nursery
        self._ingests: dict[Attempt, Ingest] = {}

    async def open(self, agent: AgentName, attempt: Attempt) -> OpenJournal:
        """Open the journal of an attempt that ``agent`` holds.

        LookupError for an unknown attempt, Refused where the agent does not hold it, Fenced where it is over or was
        taken back.
        """
        row = await self._store.read(lambda unit: unit.executions.get(attempt.execution))
        if row is not None and row.host is not Host.AGENT:
            raise LookupError(f"{attempt} is conducted by the control plane")
        _may_open(row, attempt, agent)
        ingest = self._ingests.get(attempt)
        if ingest is None:
            stored = await self._catch_up(attempt, row)
            ingest = self._ingests.setdefault(attempt, Ingest(self, attempt, stored))
        return OpenJournal(ingest, self._feeds, self._feeds.begin(attempt), attempt)

    async def recover(self) -> None:
        """Apply what was durable and not applied when the process ended."""
        rows = await self._store.read(lambda unit: unit.executions.in_states(_LIVE, limit=1_000_000))
        for row in rows:
            if row.host is Host.AGENT and row.attempt:
                try:
                    await self._catch_up(row.current, row)
                except Fenced:
                    continue

    async def apply(self, attempt: Attempt, records: Sequence[Record]) -> None:
        """Apply durable records: one unit of work, none where they hold output alone. Fenced, LookupError,
        Unavailable."""
        if not any(map(is_structural, records)):
            return
        wanted = wishes(records)
        births = await self._nursery.prepare(attempt, wanted) if wanted else NO_BIRTHS
        now = self._clock.now()
        await self._commits.write(lambda draft: apply(draft, attempt, records, births, now))

    async def refuse(self, attempt: Attempt, reason: str) -> None:
        """Nothing more is taken of the attempt: it ends, and its agent is told to remove it. Unavailable."""
        now = self._clock.now()
        await self._commits.write(lambda draft: refuse(draft, attempt, reason, now))

    def committed(self, what: Committed) -> None:
        """Forget what is over."""
        for change in what.executions:
            before, after = change.before, change.after
            if before is not None and before.attempt and (after.state.final or after.attempt != before.attempt):
                self._ingests.pop(before.current, None)

    async def _catch_up(self, attempt: Attempt, row: ExecutionRow | None) -> int:
        """Apply what is durable and not applied; the highest durable number."""
        last = await self.journals.last(attempt)
        seq = row.applied_seq if row is not None else 0
        while seq < last:
            batch = await self.journals.read(attempt.execution, Position(attempt.number, seq))
            records = [stored.record for stored in batch if stored.position.attempt == attempt.number]
            if not records:
                break
            await self.apply(attempt, records)
            seq = records[-1].seq
        return last


def _may_open(row: ExecutionRow | None, attempt: Attempt, agent: AgentName) -> None:
    fresh_for(row, attempt, ())
    if row is not None and row.state.final:
        raise Fenced(f"{attempt} is over: {row.state.value}")
    if row is not None and row.agent != agent:
        raise Refused(f"{attempt} is not held by {agent}")
