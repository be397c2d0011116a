"""A model of a whole fleet, to be driven at random against the rules of placing and leases. Used by test_routing."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from workflow.identifiers import AgentName, Attempt, ExecutionId, StepRef
from workflow.labels import Target, matches
from workflow.leases import Cause, Leases, Standing, Terms, standing
from workflow.routing import Floor, Placement, Seat, Work
from workflow.run import after_loss
from workflow.states import ExecutionState

Q, A, R, P = ExecutionState.QUEUED, ExecutionState.ASSIGNED, ExecutionState.RUNNING, ExecutionState.PAUSED


def seat(name: str, limit: int = 1, **labels: str) -> Seat:
    """A connected agent."""
    return Seat(AgentName(name), {"name": name, **labels}, limit, connected=True)


AGENTS = ("dev", "staging", "prod")
TERMS = Terms(heartbeat=5, lease=20, answer=10, lost_after=100, stop_grace=30)


class Fleet(RuleBasedStateMachine):
    """Executions, agents and time, driven at random through the same rules as the services use.

    The model keeps what is true; ``floor`` and ``leases`` are told as the services tell them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.floor = Floor()
        self.leases = Leases(TERMS)
        self.now = 0.0
        self.works: dict[ExecutionId, Work] = {}
        self.seats: dict[AgentName, Seat] = {}
        self.handed_out: set[Attempt] = set()
        self.retry: set[ExecutionId] = set()
        self.held_up = False

    # what the services do

    def put(self, new: Work) -> None:
        old = self.works.get(new.id)
        if old is not None and old.state.live and (not new.state.live or old.attempt != new.attempt):
            self.leases.ended(Attempt(old.id, old.attempt))
        self.works[new.id] = new
        self.floor.note(new)
        if new.state.live and new.agent is not None:
            attempt = Attempt(new.id, new.attempt)
            if new.state is A:
                self.leases.offered(attempt, new.agent, self.now)
            else:
                self.leases.started(attempt, new.agent, self.now)
            if new.stopping:
                self.leases.stopping(attempt, self.now)

    def end(self, old: Work, state: ExecutionState) -> None:
        self.put(replace(old, state=state, waits_at=None))
        for child in list(self.works.values()):
            if child.parent == old.id and not child.state.final:
                self.end(child, ExecutionState.CANCELED)

    def perform(self) -> None:
        while decisions := self.floor.place(most=3):
            for placement in decisions.placements:
                self.hand_out(placement)
            for oldest, _ in decisions.evictions:
                self.put(replace(self.works[oldest], state=ExecutionState.STOPPING, stopping=True))
            for execution, _ in decisions.hopeless:
                self.end(self.works[execution], ExecutionState.ABORTED)

    def hand_out(self, placement: Placement) -> None:
        old = self.works[placement.execution]
        assert old.state is Q
        assert placement.attempt == old.attempt
        attempt = Attempt(old.id, old.attempt + 1)
        assert attempt not in self.handed_out, "no attempt is handed out twice"
        self.handed_out.add(attempt)
        assert placement.agent is not None
        agent = self.seats[placement.agent]
        assert agent.connected
        assert not agent.draining or old.pinned
        assert old.pinned in {None, agent.name}
        assert old.pinned or matches(old.target, agent.labels)
        assert agent.name not in old.refused
        if not old.rides:
            assert self.load(agent.name) < agent.limit, "nobody is handed more than its limit"
        if old.group:
            assert len(self.others(old)) < old.group_max, "a group's limit holds"
        self.put(replace(old, state=A, attempt=attempt.number, agent=agent.name))

    # the truth, looked at the long way

    def load(self, agent: AgentName) -> int:
        return sum(1 for one in self.works.values() if one.agent == agent and self.works_now(one))

    def works_now(self, one: Work) -> bool:
        if not one.state.live or one.state is P or one.rides:
            return False
        waits = one.waits_at is not None and any(
            child.parent == one.id and child.parent_ref == one.waits_at and not child.state.final
            for child in self.works.values()
        )
        return not waits

    def others(self, one: Work) -> list[Work]:
        above = set()
        parent = one.parent
        while parent is not None:
            above.add(parent)
            parent = self.works[parent].parent
        return [o for o in self.works.values() if o.group == one.group and o.state.live and o.id not in above]

    # events

    def pick(self, which: int, *states: ExecutionState) -> Work | None:
        found = [own for own in self.works.values() if own.state in states]
        return found[which % len(found)] if found else None

    @rule(
        workflow=st.sampled_from("xyz"),
        where=st.sampled_from((*AGENTS, "")),
        group=st.booleans(),
        cancel=st.booleans(),
        retry=st.booleans(),
        count=st.integers(1, 4),
    )
    def submit(self, workflow: str, where: str, group: bool, cancel: bool, retry: bool, count: int) -> None:
        for _ in range(count):
            own = Work(
                ExecutionId(f"e{len(self.works)}"),
                Q,
                workflow,
                len(self.works),
                target=Target({"name": (where,)}) if where else Target(),
                group="g" if group else None,
                group_max=2 if group else 0,
                cancel_in_progress=cancel,
            )
            if retry:
                self.retry.add(own.id)
            self.put(own)

    @rule(which=st.integers(0, 20), service=st.booleans(), elsewhere=st.booleans(), count=st.integers(1, 3))
    def want_children(self, which: int, service: bool, elsewhere: bool, count: int) -> None:
        own = self.pick(which, R)
        if own is None or own.stopping:
            return
        ref = StepRef("2") if service else StepRef("1")
        for _ in range(count):
            child = Work(
                ExecutionId(f"e{len(self.works)}"),
                Q,
                own.workflow,
                len(self.works),
                depth=own.depth + 1,
                pinned=None if elsewhere and not service else own.agent,
                rides=service,
                parent=own.id,
                parent_ref=ref,
                group=own.group if elsewhere else None,
                group_max=own.group_max,
            )
            self.put(child)
        if not service:
            self.put(replace(own, waits_at=StepRef("1")))

    @rule(name=st.sampled_from(AGENTS), limit=st.integers(1, 3), forgets=st.booleans())
    def join(self, name: str, limit: int, forgets: bool) -> None:
        agent = AgentName(name)
        self.seats[agent] = seat(name, limit)
        self.floor.seat(self.seats[agent])
        self.leases.connected(agent, () if forgets else self.held_by(agent), self.now)

    def held_by(self, agent: AgentName) -> list[Attempt]:
        return [Attempt(own.id, own.attempt) for own in self.works.values() if own.agent == agent and own.state.live]

    @rule(name=st.sampled_from(AGENTS))
    def leave(self, name: str) -> None:
        agent = AgentName(name)
        if agent in self.seats:
            self.seats[agent] = replace(self.seats[agent], connected=False)
            self.floor.seat(self.seats[agent])
            self.leases.disconnected(agent, self.now)

    @rule(name=st.sampled_from(AGENTS), draining=st.booleans())
    def drain(self, name: str, draining: bool) -> None:
        agent = AgentName(name)
        if agent in self.seats:
            self.seats[agent] = replace(self.seats[agent], draining=draining)
            self.floor.seat(self.seats[agent])

    @rule(which=st.integers(0, 20))
    def start(self, which: int) -> None:
        own = self.pick(which, A)
        if own is not None:
            self.put(replace(own, state=R))

    @rule(which=st.integers(0, 20), paused=st.booleans())
    def pause(self, which: int, paused: bool) -> None:
        own = self.pick(which, R if paused else P)
        if own is not None:
            self.put(replace(own, state=P if paused else R))

    @rule(which=st.integers(0, 20))
    def stop(self, which: int) -> None:
        own = self.pick(which, R, P)
        if own is not None:
            self.put(replace(own, state=ExecutionState.STOPPING, stopping=True))

    @rule(which=st.integers(0, 20), final=st.booleans())
    def decline(self, which: int, final: bool) -> None:
        own = self.pick(which, A)
        if own is not None and own.agent is not None:
            refused = {**own.refused, own.agent: "no"} if final else own.refused
            self.put(replace(own, state=Q, refused=refused))

    @rule(which=st.integers(0, 20))
    def finish(self, which: int) -> None:
        own = self.pick(which, R, P, ExecutionState.STOPPING)
        if own is not None:
            self.end(own, ExecutionState.PASSED)

    @rule(seconds=st.sampled_from((1.0, 6.0, 15.0, 60.0)), silent=st.sets(st.sampled_from(AGENTS)))
    def pass_time(self, seconds: float, silent: set[str]) -> None:
        self.now += seconds
        for agent, known in self.seats.items():
            if known.connected and agent not in silent:
                dropped = self.leases.heartbeat(agent, self.held_by(agent), self.now)
                assert not dropped, "what is listed never lapses"
        lapses = self.leases.lapsed(self.now)
        assert all(self.is_current(lapse.attempt) for lapse in lapses if lapse.attempt), "only what is current lapses"
        for lapse in lapses:
            if lapse.cause is Cause.SILENT:
                self.leave(lapse.agent)
            elif lapse.attempt is not None and self.is_current(lapse.attempt):  # an earlier one may have ended it
                self.lapse(lapse.attempt, lapse.cause)

    def teardown(self) -> None:
        """When nobody comes back, everything that was handed out ends within the time that was promised."""
        for agent in self.seats:
            self.leave(agent)
        for _ in range(12):
            self.pass_time((TERMS.lease + TERMS.lost_after) / 10, set())
        assert not [own for own in self.works.values() if own.state.live]

    def is_current(self, attempt: Attempt) -> bool:
        own = self.works[attempt.execution]
        return standing(own.attempt, own.state, attempt.number) is Standing.CURRENT

    def lapse(self, attempt: Attempt, cause: Cause) -> None:
        own = self.works[attempt.execution]
        assert cause is not Cause.LAPSED or own.state is A
        stop = (ExecutionState.CANCELED, "") if own.stopping else None
        fate = after_loss(started=own.state is not A, retry=own.id in self.retry, stop=stop, reason="r", attempt=1)
        if fate.state is Q:
            for child in list(self.works.values()):
                if child.parent == own.id and not child.state.final:
                    self.end(child, ExecutionState.CANCELED)
            self.put(replace(own, state=Q, waits_at=None))
        else:
            self.end(own, fate.state)

    @rule(held_up=st.booleans())
    def hold_up(self, held_up: bool) -> None:
        """The store refuses for a while, so that nothing is handed out while other things happen."""
        self.held_up = held_up

    @invariant()
    def nothing_waits_without_need(self) -> None:
        if self.held_up:
            return
        self.perform()
        for own in self.works.values():
            if own.state is Q:
                self.must_wait(own)

    # what must hold

    def must_wait(self, own: Work) -> None:
        """Liveness: after a round, what waits has a reason that is true."""
        assert self.floor.why(own.id), f"{own.id} waits without a reason"
        if own.group and len(self.others(own)) >= own.group_max:
            return
        for agent in self.seats.values():
            fits = agent.name == own.pinned if own.pinned else matches(own.target, agent.labels)
            takes = agent.connected and agent.name not in own.refused and (not agent.draining or own.pinned)
            free = own.rides or self.load(agent.name) < agent.limit
            assert not (fits and takes and free), f"{own.id} waits while {agent.name} is free"

    @invariant()
    def loads_are_counted_right(self) -> None:
        for agent in self.seats:
            assert self.floor.load(agent) == self.load(agent)

    @invariant()
    def one_lease_for_each_live_attempt(self) -> None:
        for own in self.works.values():
            holder = self.leases.holder(Attempt(own.id, own.attempt))
            assert (holder is not None) == own.state.live
