"""Work finds its agent: a commit wakes the routing, which writes the assignment and has it said. No polling anywhere.

Runs as one task. It mirrors what is open in a ``Floor`` (rules: workflow.routing), kept up to date by commits. The
mirror decides what to try; the unit of work that hands out looks at the row itself, so that a stale mirror costs time
and never a double hand-out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from control_plane.ports.clock import Clock
from control_plane.ports.records import AgentRow, AgentState, ExecutionRow
from control_plane.ports.signals import Signals
from control_plane.ports.store import Store, Unavailable, Unit
from control_plane.ports.vault import Unreadable
from control_plane.services.commits import Commits, Committed, Draft
from control_plane.services.endings import end, stop
from control_plane.services.routing.facts import seat_of, work_of
from control_plane.services.routing.reasons import Reasons
from control_plane.services.sessions.offers import Offers
from control_plane.services.sessions.session import OpenSession
from workflow.identifiers import SECOND, AgentName, ExecutionId, Instant, RunId
from workflow.leases import Terms
from workflow.routing import Decisions, Floor, Placement
from workflow.states import FINAL, ExecutionState, Verdict

log = logging.getLogger("muster.routing")

RECHECK = 60.0
"""Seconds after which a lost signal is made up for."""
REST = 5.0
"""Seconds for which an agent that declined something is left alone."""
_OPEN = frozenset(ExecutionState) - FINAL


class Routing:
    """The service. ``load`` before anything is served, then ``run``."""

    def __init__(
        self, store: Store, signals: Signals, clock: Clock, commits: Commits, offers: Offers, terms: Terms
    ) -> None:
        self._store = store
        self._offers = offers
        self._signals = signals
        self._clock = clock
        self._commits = commits
        self._terms = terms
        self._floor = Floor()
        self._reasons = Reasons(clock, commits, self._floor)
        self._workflows: dict[RunId, str] = {}
        self._resting: set[AgentName] = set()
        self._tasks: asyncio.TaskGroup | None = None

    async def load(self) -> None:
        """Learn what is open and which agents there are."""
        rows, workflows, fleet = await self._store.read(_everything)
        self._workflows.update(workflows)
        for row in rows:
            self._note(row)
        for agent in fleet:
            self.agent_known(agent)

    async def run(self) -> None:
        """Place work until cancelled."""
        with self._signals.subscribe("queue") as bell:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._reasons.run())
                try:
                    while True:
                        await self._round()
                        await bell.wait(RECHECK)
                finally:
                    self._tasks = None

    def load_of(self, agent: AgentName) -> int:
        """How many of the agent's slots are held."""
        return self._floor.load(agent)

    def why(self, execution: ExecutionId) -> str:
        """Why it waits, at this moment; empty where it does not."""
        return self._floor.why(execution)

    # --- what is heard -------------------------------------------------------------------------------------------

    def committed(self, what: Committed) -> None:
        """Mirror what was committed. The signal that follows wakes ``run``."""
        for run in what.runs:
            if run.verdict is Verdict.PENDING:
                self._workflows[run.id] = run.workflow
            else:
                self._workflows.pop(run.id, None)
        for change in what.executions:
            self._note(change.after)

    def agent_known(self, row: AgentRow) -> None:
        """There is such an agent. What is known of its session stands."""
        if row.state is AgentState.REVOKED:
            self._floor.unseat(row.name)
        elif self._floor.seat_of(row.name) is None:
            self._floor.seat(seat_of(row, None))

    def agent_changed(self, row: AgentRow, session: OpenSession | None) -> None:
        """The agent joined, left (None), or its grants changed."""
        seat = seat_of(row, session)
        self._floor.seat(replace(seat, resting=row.name in self._resting))
        self._reasons.look_again()
        self._signals.publish("queue")

    def agent_declined(self, agent: AgentName) -> None:
        """Give the agent nothing for a moment."""
        if agent not in self._resting and self._tasks is not None:
            self._resting.add(agent)
            self._rest(agent, resting=True)
            self._tasks.create_task(self._wake(agent))

    async def _wake(self, agent: AgentName) -> None:
        await self._clock.sleep(REST)
        self._resting.discard(agent)
        self._rest(agent, resting=False)
        self._signals.publish("queue")

    def _rest(self, agent: AgentName, *, resting: bool) -> None:
        seat = self._floor.seat_of(agent)
        if seat is not None:
            self._floor.seat(replace(seat, resting=resting))

    def _note(self, row: ExecutionRow) -> None:
        self._floor.note(work_of(row, self._workflows.get(row.run, row.workflow)))
        self._reasons.noted(row)

    # --- what is done --------------------------------------------------------------------------------------------

    async def _round(self) -> None:
        """Place until nothing more can be placed."""
        while decisions := self._floor.place():
            now = self._clock.now()
            try:
                seen = await self._commits.write(lambda draft: self._perform(draft, decisions, now))  # noqa: B023
            except Exception as trouble:
                for placement in decisions.placements:
                    self._floor.take_back(placement.execution)
                if not isinstance(trouble, Unavailable):
                    log.exception("a round of placing failed")
                await self._clock.sleep(getattr(trouble, "retry_after", 1.0))
                continue
            for row in seen:
                self._note(row)
            await asyncio.sleep(0)

    def _perform(self, draft: Draft, decisions: Decisions, now: Instant) -> Sequence[ExecutionRow]:
        """Hand out, make room, give up; the rows as they are then."""
        until = Instant(now + round(self._terms.lease * SECOND))
        for placement in decisions.placements:
            _hand_out(draft, placement, self._offers, now, until)
        for oldest, newcomer in decisions.evictions:
            row, cause = draft.get(oldest), draft.get(newcomer)
            if row is not None:
                name = cause.name if cause is not None else "a newer run"
                stop(draft, row, ExecutionState.CANCELED, f"makes room for {name} (cancelInProgress)", now)
        for execution, reason in decisions.hopeless:
            row = draft.get(execution)
            if row is not None and row.state is ExecutionState.QUEUED:
                end(draft, row, ExecutionState.ABORTED, reason, now)
        touched = _touched(decisions)
        return [row for row in map(draft.get, touched) if row is not None]


def _touched(decisions: Decisions) -> list[ExecutionId]:
    placed = [placement.execution for placement in decisions.placements]
    evicted = [oldest for oldest, _ in decisions.evictions]
    return [*placed, *evicted, *(execution for execution, _ in decisions.hopeless)]


def _hand_out(draft: Draft, placement: Placement, offers: Offers, now: Instant, until: Instant) -> None:
    """Raise the attempt and give it to the agent, if the row still waits for that."""
    row = draft.get(placement.execution)
    if row is None or row.state is not ExecutionState.QUEUED or row.attempt != placement.attempt:
        return
    row = replace(row, attempt=row.attempt + 1, applied_seq=0, reason="", assigned_at=now, resumed=False, notes=())
    if placement.agent is None:
        draft.put(replace(row, state=ExecutionState.RUNNING, started_at=now))
        return
    plan = draft.unit.executions.plan(row.id)
    if plan is None:
        end(draft, row, ExecutionState.ABORTED, "its plan is missing", now)
        return
    row = replace(row, state=ExecutionState.ASSIGNED, agent=placement.agent, lease_until=until)
    try:
        offer = offers.of(row, plan)
    except Unreadable as lost:
        reason = f"its sensitive parameters cannot be read: {lost}"
        end(draft, replace(row, state=ExecutionState.QUEUED, agent=None), ExecutionState.ABORTED, reason, now)
        return
    draft.put(row)
    draft.say(placement.agent, offer)


def _everything(unit: Unit) -> tuple[Sequence[ExecutionRow], dict[RunId, str], Sequence[AgentRow]]:
    rows = unit.executions.in_states(_OPEN, limit=1_000_000)
    runs = [unit.runs.get(run) for run in {row.run for row in rows}]
    return rows, {run.id: run.workflow for run in runs if run is not None}, unit.fleet.list()
