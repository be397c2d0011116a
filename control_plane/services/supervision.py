"""Nothing stays open unexplained: leases, queue time-outs, cancel, pause and resume.

Listens to commits to know who holds what (rules: workflow.leases, by the monotonic clock alone); people's calls come
from control_plane.web. Runs as one task that sleeps until the next deadline.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import assert_never

from control_plane.ports.clock import Clock
from control_plane.ports.records import ExecutionRow, Host, RunRow
from control_plane.ports.store import Store, Unavailable
from control_plane.services.alarm import Alarm
from control_plane.services.commits import Commits, Committed, Draft
from control_plane.services.endings import end, lose, stop
from control_plane.services.sessions.opening import holds
from workflow.identifiers import SECOND, AgentName, ExecutionId, Instant, RunId
from workflow.leases import Cause, Lapse, Leases, Terms
from workflow.session import Withdraw
from workflow.states import FINAL, ExecutionState

log = logging.getLogger("muster.supervision")

_OPEN = frozenset(ExecutionState) - FINAL


class Supervision:
    """The service. ``load`` before anything is served, then ``run``."""

    def __init__(self, store: Store, clock: Clock, commits: Commits, leases: Leases, terms: Terms) -> None:
        self._store = store
        self._clock = clock
        self._commits = commits
        self._leases = leases
        self._terms = terms
        self._alarm = Alarm(clock)
        self._lapses: list[Lapse] = []
        self._queued: dict[ExecutionId, float] = {}
        self._deadlines: list[tuple[float, ExecutionId]] = []

    async def load(self) -> None:
        """Begin the leases of all that is open anew, as if every agent had gone now."""
        rows = await self._store.read(lambda unit: unit.executions.in_states(_OPEN, limit=1_000_000))
        for row in rows:
            self._note(None, row)

    async def run(self, cut: Callable[[AgentName], None]) -> None:
        """See to what lapses until cancelled. ``cut`` ends an agent's session."""
        while True:
            await self._alarm.wait(self._next())
            lapses = [*self._lapses, *self._leases.lapsed(self._clock.monotonic())]
            self._lapses.clear()
            for lapse in lapses:
                if lapse.cause is Cause.SILENT:
                    cut(lapse.agent)
            due = self._overdue()
            held = [lapse for lapse in lapses if lapse.attempt is not None]
            if not held and not due:
                continue
            try:
                await self._commits.write(lambda draft: self._see_to(draft, held, due))  # noqa: B023
            except Exception as trouble:
                if not isinstance(trouble, Unavailable):
                    log.exception("a round of supervision failed")
                for execution in due:
                    self._await_deadline(execution, self._clock.monotonic())
                self._lapses += held
                await self._clock.sleep(getattr(trouble, "retry_after", 1.0))

    # --- what is heard -------------------------------------------------------------------------------------------

    def committed(self, what: Committed) -> None:
        """Keep leases and deadlines up to date."""
        for change in what.executions:
            self._note(change.before, change.after)
        self.reschedule()

    def lapsed(self, lapses: Iterable[Lapse]) -> None:
        """These lapsed: see to it."""
        self._lapses += lapses
        self._alarm.ring()

    def reschedule(self) -> None:
        """Something may lapse sooner than was thought."""
        self._alarm.not_later(self._next())

    def _note(self, before: ExecutionRow | None, after: ExecutionRow) -> None:
        if before is not None and before.state.live and (not after.state.live or before.attempt != after.attempt):
            self._leases.ended(before.current)
        if after.host is Host.AGENT and after.state.live and after.agent is not None:
            self._note_lease(after, after.agent)
        if after.state is not ExecutionState.QUEUED:
            self._queued.pop(after.id, None)
        elif after.id not in self._queued and after.queue_deadline is not None:
            left = max((after.queue_deadline - self._clock.now()) / SECOND, 0)
            self._await_deadline(after.id, self._clock.monotonic() + left)

    def _note_lease(self, row: ExecutionRow, agent: AgentName) -> None:
        now = self._clock.monotonic()
        if row.state is ExecutionState.ASSIGNED:
            self._leases.offered(row.current, agent, now)
        else:
            self._leases.started(row.current, agent, now)
        if row.state is ExecutionState.STOPPING:
            self._leases.stopping(row.current, now)

    def _await_deadline(self, execution: ExecutionId, at: float) -> None:
        self._queued[execution] = at
        heapq.heappush(self._deadlines, (at, execution))

    # --- deadlines -----------------------------------------------------------------------------------------------

    def _next(self) -> float | None:
        while self._deadlines and self._queued.get(self._deadlines[0][1]) != self._deadlines[0][0]:
            heapq.heappop(self._deadlines)
        found = [
            at for at in (self._leases.due(), self._deadlines[0][0] if self._deadlines else None) if at is not None
        ]
        return min(found, default=None)

    def _overdue(self) -> list[ExecutionId]:
        """Whose time in the queue is over."""
        now = self._clock.monotonic()
        found: list[ExecutionId] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            at, execution = heapq.heappop(self._deadlines)
            if self._queued.get(execution) == at:
                del self._queued[execution]
                found.append(execution)
        return found

    def _see_to(self, draft: Draft, lapses: list[Lapse], due: list[ExecutionId]) -> None:
        now = self._clock.now()
        for lapse in lapses:
            row = draft.get(lapse.attempt.execution) if lapse.attempt is not None else None
            if row is not None and lapse.attempt is not None and holds(row, lapse.agent, lapse.attempt):
                self._end_lease(draft, row, lapse, now)
        for execution in due:
            row = draft.get(execution)
            if row is not None and row.state is ExecutionState.QUEUED:
                waited = f"waited too long in the queue: {row.reason}" if row.reason else "waited too long in the queue"
                end(draft, row, ExecutionState.ABORTED, waited, now)

    def _end_lease(self, draft: Draft, row: ExecutionRow, lapse: Lapse, now: Instant) -> None:
        match lapse.cause:
            case Cause.UNANSWERED:
                lose(draft, row, f"{lapse.agent} did not answer the offer within {self._terms.answer:g} s", now)
            case Cause.LAPSED if row.state is ExecutionState.ASSIGNED:
                lose(draft, row, f"{lapse.agent} went away before it began", now)
            case Cause.LAPSED:
                pass  # it began meanwhile
            case Cause.DROPPED:
                lose(draft, row, f"{lapse.agent} no longer holds it", now)
            case Cause.GONE:
                lose(draft, row, f"{lapse.agent} did not come back within {self._terms.lost_after:g} s", now)
            case Cause.STUBBORN if row.stop is not None:
                reason = f"{row.stop[1]} (it did not end within {self._terms.stop_grace:g} s and was ended by force)"
                draft.say(lapse.agent, Withdraw(row.current, reason))
                end(draft, row, row.stop[0], reason, now)
            case Cause.STUBBORN | Cause.SILENT:
                pass
            case other:
                assert_never(other)

    # --- people --------------------------------------------------------------------------------------------------

    async def cancel(self, run: RunId, who: str = "") -> RunRow | None:
        """End the run: what waits ends at once, what runs is told to stop. None where there is no such run. Durable
        when it returns; nothing of the run is handed out afterwards."""
        reason = f"canceled by {who}" if who else "canceled"
        return await self._commits.write(
            lambda draft: self._of_run(draft, run, lambda row: self._stop(draft, row, reason))
        )

    async def cancel_execution(self, execution: ExecutionId, who: str = "") -> ExecutionRow | None:
        """The same for one execution and its children."""
        reason = f"canceled by {who}" if who else "canceled"

        def work(draft: Draft) -> ExecutionRow | None:
            row = draft.get(execution)
            if row is not None:
                self._stop(draft, row, reason)
            return draft.get(execution)

        return await self._commits.write(work)

    async def pause(self, run: RunId) -> RunRow | None:
        """Start no further step of the run; running steps stand still. None where there is no such run."""
        return await self._commits.write(lambda draft: self._of_run(draft, run, lambda row: _paused(draft, row)))

    async def resume(self, run: RunId) -> RunRow | None:
        """Go on; also past steps that wait by ``paused: true``. None where there is no such run."""
        return await self._commits.write(lambda draft: self._of_run(draft, run, lambda row: _resumed(draft, row)))

    def _of_run(self, draft: Draft, run: RunId, change: Callable[[ExecutionRow], None]) -> RunRow | None:
        for known in draft.of_run(run):
            row = draft.get(known.id)
            if row is not None and not row.state.final:
                change(row)
        return draft.unit.runs.get(run)

    def _stop(self, draft: Draft, row: ExecutionRow, reason: str) -> None:
        stop(draft, row, ExecutionState.CANCELED, reason, self._clock.now())


def _paused(draft: Draft, row: ExecutionRow) -> None:
    if row.stop is None:
        draft.put(replace(row, paused=True, resumed=False))


def _resumed(draft: Draft, row: ExecutionRow) -> None:
    begun = row.state in {ExecutionState.RUNNING, ExecutionState.PAUSED}
    draft.put(replace(row, paused=False, resumed=begun))
