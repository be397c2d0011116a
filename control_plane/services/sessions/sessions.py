"""The agents that are connected: one session each, what they say, what is said to them.

Called by control_plane.rpc (open, and through OpenSession heard, outgoing, close). Listens to commits: their outbox
is said at once, in process, without a poll. Tells routing which agents there are (``Watcher``) and the leases what
they renew. No heartbeat touches the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol, assert_never

from control_plane.ports.clock import Clock
from control_plane.ports.records import AgentRow, AgentState
from control_plane.ports.signals import Signals
from control_plane.ports.store import Store, Unavailable, Unit
from control_plane.services.commits import Commits, Committed, Draft
from control_plane.services.endings import lose, requeue
from control_plane.services.sessions.offers import Offers
from control_plane.services.sessions.opening import MOST_HELD, check_versions, holds, opened
from control_plane.services.sessions.session import OpenSession
from workflow.identifiers import AgentName, Attempt
from workflow.leases import Lapse, Leases, Terms
from workflow.session import (
    UNDRAIN,
    Accept,
    AgentSays,
    AttemptLost,
    ChildAddress,
    Decline,
    Drain,
    Draining,
    Fenced,
    Heartbeat,
    Hello,
    LeaseRenewed,
    LinkDown,
    Noticed,
    Refused,
    Taking,
    Undrain,
    Withdraw,
)
from workflow.states import ExecutionState

MAX_ADDRESS = 253


class Watcher(Protocol):
    """Who wants to know which agents there are. Implemented by routing."""

    def agent_changed(self, row: AgentRow, session: OpenSession | None) -> None:
        """The agent joined, left (None), or its grants changed."""
        ...

    def agent_declined(self, agent: AgentName) -> None:
        """It took something not now: leave it alone for a moment."""
        ...


class Supervisor(Protocol):
    """Who ends leases. Implemented by supervision."""

    def lapsed(self, lapses: Iterable[Lapse]) -> None:
        """These lapsed: see to it."""
        ...

    def reschedule(self) -> None:
        """Something may lapse sooner than was thought."""
        ...


class Sessions:
    """The service. ``run`` must be running while sessions are open."""

    def __init__(
        self,
        store: Store,
        signals: Signals,
        clock: Clock,
        commits: Commits,
        leases: Leases,
        watcher: Watcher,
        supervisor: Supervisor,
        offers: Offers,
        terms: Terms,
        version: str,
    ) -> None:
        self._store = store
        self._signals = signals
        self._clock = clock
        self._commits = commits
        self._leases = leases
        self._watcher = watcher
        self._supervisor = supervisor
        self._offers = offers
        self._terms = terms
        self._version = version
        self._open: dict[AgentName, OpenSession] = {}
        self._rows: dict[AgentName, AgentRow] = {}
        self._changed: set[AgentName] = set()  # their grants are to be looked at
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Follow the grants of agents whose sessions are open, until cancelled."""
        with self._signals.listen(self._note, "agent/"):
            while True:
                await self._bell.wait()
                self._bell.clear()
                try:
                    await self._look()
                except Unavailable as unavailable:
                    await self._clock.sleep(unavailable.retry_after)
                    self._bell.set()

    def _note(self, topic: str) -> None:
        name = AgentName(topic.removeprefix("agent/"))
        if name in self._open:
            self._changed.add(name)
            self._bell.set()

    async def _look(self) -> None:
        """What the agents that changed are granted now. One whose session is still being opened has its turn then."""
        names = tuple(self._changed & self._rows.keys())
        self._changed.intersection_update(self._open.keys() - self._rows.keys())
        try:
            rows = await self._store.read(lambda unit: [unit.fleet.get(name) for name in names])
        except Unavailable:
            self._changed.update(names)
            raise
        for name, row in zip(names, rows, strict=True):
            if (session := self._open.get(name)) is not None:
                self._granted(session, row)

    def connected(self) -> frozenset[AgentName]:
        """Who has an open session."""
        return frozenset(self._open)

    # --- opening and closing -------------------------------------------------------------------------------------

    async def open(self, agent: AgentName, hello: Hello) -> OpenSession:
        """A session, ready to be read; an older one of the same agent ends as Fenced. Refused, with a sentence;
        Unavailable."""
        check_versions(hello, self._version)
        session = OpenSession(agent, hello, self._heard, self._left)
        older = self._open.get(agent)
        self._open[agent] = session  # before the store is asked: what is committed meanwhile is not missed
        if older is not None:
            older.end(Fenced(f"another session of agent {agent} began"))
        now = self._clock.now()
        try:
            row, opening = await self._store.write(
                lambda unit: opened(unit, agent, hello, self._offers, self._terms, self._version, now)
            )
        except BaseException as error:
            self._left(session)
            session.end(error if isinstance(error, Exception) else LinkDown("the session was not opened"))
            raise
        if self._open.get(agent) is not session:
            raise Fenced(f"another session of agent {agent} began")
        session.begin(opening)
        self._leases.connected(agent, hello.held, self._clock.monotonic())
        self._supervisor.reschedule()
        self._granted(session, row)
        if agent in self._changed:
            self._bell.set()
        return session

    def cut(self, agent: AgentName) -> None:
        """End the agent's session: it was silent for too long."""
        session = self._open.get(agent)
        if session is not None:
            self._left(session)
            session.end(LinkDown(f"{agent} was silent for longer than {self._terms.lease:g} s"))

    def _left(self, session: OpenSession) -> None:
        if self._open.get(session.agent) is not session:
            return
        del self._open[session.agent]
        row = self._rows.pop(session.agent, None)
        self._leases.disconnected(session.agent, self._clock.monotonic())
        self._supervisor.reschedule()
        if row is not None:
            self._watcher.agent_changed(row, None)

    def _granted(self, session: OpenSession, row: AgentRow | None) -> None:
        agent = session.agent
        if row is None or row.state in {AgentState.REVOKED, AgentState.INVITED}:
            self._left(session)
            session.end(Refused(f"agent {agent} was revoked; run: muster agents create {agent} ... and join again"))
            return
        before = self._rows.get(agent)
        self._rows[agent] = row
        was_draining = before is not None and before.state is AgentState.DRAINING
        if row.state is AgentState.DRAINING and not was_draining:
            session.say(Drain())
        elif was_draining and row.state is AgentState.ACTIVE and session.hello.protocol >= UNDRAIN:
            session.say(Undrain())  # an older agent drains until it is started anew
        self._watcher.agent_changed(row, session)

    # --- people --------------------------------------------------------------------------------------------------

    async def drain(self, name: AgentName) -> bool:
        """Give the agent nothing new; whether there was such an agent."""
        return await self._set_state(name, AgentState.DRAINING)

    async def undrain(self, name: AgentName) -> bool:
        """Give it work again; whether there was such an agent."""
        return await self._set_state(name, AgentState.ACTIVE)

    async def _set_state(self, name: AgentName, state: AgentState) -> bool:
        def work(unit: Unit) -> bool:
            row = unit.fleet.get(name)
            if row is not None and row.state in {AgentState.ACTIVE, AgentState.DRAINING}:
                unit.fleet.put(replace(row, state=state))
            return row is not None

        known = await self._store.write(work)
        self._signals.publish(f"agent/{name}", "queue")
        return known

    # --- what agents say -----------------------------------------------------------------------------------------

    async def _heard(self, session: OpenSession, message: AgentSays) -> None:
        self._leases.heard(session.agent, self._clock.monotonic())
        match message:
            case Heartbeat(held=held):
                self._beat(session, held)
            case Accept(attempt=attempt):
                self._accepted(session, attempt)
            case Decline():
                await self._declined(session, message)
            case AttemptLost(attempt=attempt, reason=reason):
                await self._lost(session, attempt, reason)
            case Draining() | Taking():
                session.draining = isinstance(message, Draining)
                row = self._rows.get(session.agent)
                if row is not None:
                    self._watcher.agent_changed(row, session)
            case ChildAddress():
                await self._addressed(session, message)
            case Noticed():
                await self._noticed(session, message)
            case _:
                assert_never(message)

    def _beat(self, session: OpenSession, held: tuple[Attempt, ...]) -> None:
        lapses = self._leases.heartbeat(session.agent, held[:MOST_HELD], self._clock.monotonic())
        session.say(LeaseRenewed(self._clock.now()))
        for attempt in held[:MOST_HELD]:
            if self._leases.holder(attempt) != session.agent and attempt not in session.withdrawn:
                session.withdrawn |= {attempt}
                session.say(Withdraw(attempt, "it is over, or was taken back"))
        if lapses:
            self._supervisor.lapsed(lapses)

    def _accepted(self, session: OpenSession, attempt: Attempt) -> None:
        if self._leases.holder(attempt) == session.agent:
            self._leases.accepted(attempt, self._clock.monotonic())
        else:
            session.say(Withdraw(attempt, "it was taken back"))

    async def _declined(self, session: OpenSession, message: Decline) -> None:
        agent, attempt, now = session.agent, message.attempt, self._clock.now()
        reason = message.reason[:500]

        def work(draft: Draft) -> None:
            row = draft.get(attempt.execution)
            if row is None or not holds(row, agent, attempt) or row.state is not ExecutionState.ASSIGNED:
                return
            refused = {**row.refused_by, agent: reason} if message.final else row.refused_by
            requeue(draft, replace(row, refused_by=refused), f"{agent} declined it: {reason}", now)

        if not message.final:
            self._watcher.agent_declined(agent)
        await self._commits.write(work)

    async def _lost(self, session: OpenSession, attempt: Attempt, reason: str) -> None:
        now = self._clock.now()

        def work(draft: Draft) -> None:
            row = draft.get(attempt.execution)
            if row is not None and holds(row, session.agent, attempt):
                lose(draft, row, reason, now)

        await self._commits.write(work)

    async def _addressed(self, session: OpenSession, message: ChildAddress) -> None:
        def work(draft: Draft) -> None:
            row = draft.get(message.attempt.execution)
            if row is not None and holds(row, session.agent, message.attempt):
                draft.put(replace(row, address=message.address[:MAX_ADDRESS], ready=message.ready))

        await self._commits.write(work)

    async def _noticed(self, session: OpenSession, message: Noticed) -> None:
        def work(draft: Draft) -> None:
            row = draft.get(message.attempt.execution)
            if row is not None and row.current == message.attempt and row.agent == session.agent:
                draft.put(replace(row, notes=message.notes))  # also of one that ended a moment ago

        await self._commits.write(work)

    # --- commits -------------------------------------------------------------------------------------------------

    def committed(self, what: Committed) -> None:
        """Say what is to be said."""
        for agent, message in what.outbox:
            session = self._open.get(agent)
            if session is not None:
                session.say(message)
