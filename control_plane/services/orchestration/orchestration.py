"""Executions that only orchestrate are conducted here, without a pod or a process: the same state machine, hosted
elsewhere.

Hears from commits which executions begin; one task each, which sleeps until a child ends, a timer fires or somebody
stops it. What its machine writes goes the way of every journal: applied to the store, appended to the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from control_plane.ports.clock import Clock
from control_plane.ports.journals import JournalLog, JournalUnavailable
from control_plane.ports.records import ExecutionRow, Host, PlanRow
from control_plane.ports.signals import Signals
from control_plane.ports.store import Store, Unavailable, Unit
from control_plane.services.births import NO_BIRTHS, Nursery, wishes
from control_plane.services.commits import Commits, Committed, Draft
from control_plane.services.directives import Feed, Feeds
from control_plane.services.endings import end
from control_plane.services.orchestration.conductor import Conductor, first_event, from_bytes, to_bytes
from control_plane.services.orchestration.inbox import Inbox
from control_plane.services.progress.applying import apply
from workflow.execution.events import Event
from workflow.identifiers import Attempt, ExecutionId
from workflow.journal import Record
from workflow.plan.encode import from_bytes as plan_from_bytes
from workflow.session import Fenced
from workflow.states import ExecutionState

log = logging.getLogger("muster.orchestration")

_LIVE = (ExecutionState.RUNNING, ExecutionState.PAUSED, ExecutionState.STOPPING)
RETRY = 1.0
"""Seconds after which a journal that refused is asked again."""


class Orchestration:
    """The service. ``load`` before anything is served, then ``run``."""

    def __init__(
        self,
        store: Store,
        journals: JournalLog,
        signals: Signals,
        clock: Clock,
        commits: Commits,
        feeds: Feeds,
        nursery: Nursery,
    ) -> None:
        self._store = store
        self._journals = journals
        self._signals = signals
        self._clock = clock
        self._commits = commits
        self._feeds = feeds
        self._nursery = nursery
        self._begun: set[ExecutionId] = set()
        self._waiting: deque[Attempt] = deque()
        self._bell = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None

    async def load(self) -> None:
        """Take up what was conducted when the process ended."""
        rows = await self._store.read(lambda unit: unit.executions.in_states(_LIVE, limit=1_000_000))
        for row in rows:
            self._begin(row)

    async def run(self) -> None:
        """Conduct until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            while True:
                while self._waiting:
                    tasks.create_task(self._guarded(self._waiting.popleft()))
                await self._bell.wait()
                self._bell.clear()

    def committed(self, what: Committed) -> None:
        """Begin what was handed to the control plane itself."""
        for change in what.executions:
            if change.after.state in _LIVE:
                self._begin(change.after)

    def _begin(self, row: ExecutionRow) -> None:
        if row.host is Host.CONTROL_PLANE and row.id not in self._begun:
            self._begun.add(row.id)
            self._waiting.append(row.current)
            self._bell.set()

    # --- one execution -------------------------------------------------------------------------------------------

    async def _guarded(self, attempt: Attempt) -> None:
        """Whatever goes wrong with one execution ends that one alone."""
        try:
            with self._feeds.open(attempt) as feed:
                await self._conduct(attempt, feed)
        except (Fenced, LookupError):
            pass  # it ended otherwise
        except Exception:
            log.exception("conducting %s failed", attempt)
            await self._give_up(attempt)
        finally:
            self._begun.discard(attempt.execution)

    async def _give_up(self, attempt: Attempt) -> None:
        now = self._clock.now()
        reason = "the control plane made a mistake while conducting it; its log says more"

        def work(draft: Draft) -> None:
            row = draft.get(attempt.execution)
            if row is not None and not row.state.final:
                end(draft, row, ExecutionState.ABORTED, reason, now)

        await self._stubbornly(work)

    async def _conduct(self, attempt: Attempt, feed: Feed) -> None:
        plan, stored = await self._read(attempt)
        if plan is None:
            raise LookupError(f"the plan of {attempt} is missing")
        conductor = Conductor(plan_from_bytes(plan.plan), plan.variables)
        inbox = Inbox(self._clock, conductor)
        await self._replay(attempt, conductor, inbox, stored)
        assert self._tasks is not None
        hearing = self._tasks.create_task(inbox.hear(feed))
        try:
            while not conductor.over and (events := await inbox.next()):
                await self._take(attempt, conductor, inbox, events)
        finally:
            hearing.cancel()

    async def _replay(self, attempt: Attempt, conductor: Conductor, inbox: Inbox, stored: Sequence[bytes]) -> None:
        """Feed the stored events again. All their entries are applied; the journal may lack the last ones."""
        records: list[Record] = []
        for data in stored:
            event = from_bytes(data)
            inbox.answered(event)
            written, answers = conductor.take(event)
            records += written
            inbox.answer(answers)
        if not stored:
            inbox.answer([first_event(self._clock.now())])
        await self._append(attempt, records)

    async def _take(self, attempt: Attempt, conductor: Conductor, inbox: Inbox, events: Sequence[Event]) -> None:
        """Store the events with all that follows from them."""
        first = conductor.events + 1
        records: list[Record] = []
        for event in events:
            written, answers = conductor.take(event)
            records += written
            inbox.answer(answers)
        bodies = [to_bytes(event) for event in events]
        wanted = wishes(records)
        births = NO_BIRTHS
        while wanted:
            try:
                births = await self._nursery.prepare(attempt, wanted)
                break
            except Unavailable as trouble:
                await self._clock.sleep(trouble.retry_after)
        now = self._clock.now()

        def work(draft: Draft) -> None:
            for number, body in enumerate(bodies, first):
                draft.unit.entries.add_event(attempt.execution, number, body)
            apply(draft, attempt, records, births, now)

        await self._stubbornly(work)
        await self._append(attempt, records)

    async def _append(self, attempt: Attempt, records: Sequence[Record]) -> None:
        """The log follows the store: what it lacks after a crash is made again."""
        while records:
            try:
                await self._journals.append(attempt, records)
                break
            except JournalUnavailable:
                await self._clock.sleep(RETRY)
        self._signals.publish(f"execution/{attempt.execution}")

    async def _stubbornly(self, work: Callable[[Draft], None]) -> None:
        while True:
            try:
                await self._commits.write(work)
                return
            except Unavailable as trouble:
                await self._clock.sleep(trouble.retry_after)

    async def _read(self, attempt: Attempt) -> tuple[PlanRow | None, Sequence[bytes]]:
        def look(unit: Unit) -> tuple[PlanRow | None, Sequence[bytes]]:
            return unit.executions.plan(attempt.execution), unit.entries.events(attempt.execution)

        return await self._store.read(look)
