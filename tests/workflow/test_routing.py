"""The rules of placing: examples first, then a model that plays a whole fleet against them."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from workflow.identifiers import AgentName, Attempt, ExecutionId, StepRef
from workflow.labels import Target, matches
from workflow.leases import Cause, Leases, Standing, Terms, standing
from workflow.routing import Floor, Placement, Seat, Work
from workflow.run import after_loss
from workflow.states import ExecutionState

Q, A, R, P = ExecutionState.QUEUED, ExecutionState.ASSIGNED, ExecutionState.RUNNING, ExecutionState.PAUSED
DEV, PROD = AgentName("dev"), AgentName("prod")


def work(name: str, workflow: str = "w", queued: int = 0, **more: object) -> Work:
    return Work(ExecutionId(name), Q, workflow, queued, **more)  # type: ignore[arg-type]


def seat(name: str, limit: int = 1, **labels: str) -> Seat:
    return Seat(AgentName(name), {"name": name, **labels}, limit, connected=True)


def floor(*things: Work | Seat) -> Floor:
    made = Floor()
    for thing in things:
        if isinstance(thing, Seat):
            made.seat(thing)
        else:
            made.note(thing)
    return made


def placed(made: Floor) -> list[tuple[str, str | None]]:
    return [(p.execution, p.agent) for p in made.place().placements]


# --- examples ----------------------------------------------------------------------------------------------------


def test_first_come_first_served_up_to_the_limit() -> None:
    made = floor(work("b", queued=2), work("a", queued=1), work("c", queued=3), seat("dev", 2))
    assert placed(made) == [("a", "dev"), ("b", "dev")]
    assert placed(made) == []
    assert made.why(ExecutionId("c")) == "waits for a free slot: dev matches, all slots taken"


def test_the_least_loaded_agent_by_share_of_its_slots() -> None:
    made = floor(seat("big", 10), seat("small", 2), *(work(f"e{i}", queued=i) for i in range(6)))
    agents = [agent for _, agent in placed(made)]
    assert agents.count("small") == 1


def test_equally_loaded_agents_take_turns() -> None:
    made = floor(seat("a", 10), seat("b", 10))
    got = []
    for i in range(4):
        made.note(work(f"e{i}"))
        ((name, agent),) = placed(made)
        got.append(agent)
        made.note(Work(ExecutionId(name), ExecutionState.PASSED, "w", 0))
    assert got == ["a", "b", "a", "b"]


def test_workflows_take_turns() -> None:
    made = floor(*(work(f"a{i}", "a", i) for i in range(4)), work("b0", "b", 9), work("b1", "b", 10), seat("dev", 4))
    assert [name for name, _ in placed(made)] == ["a0", "b0", "a1", "b1"]


def test_a_workflow_that_always_has_one_thing_waiting_does_not_come_first_each_time() -> None:
    made = floor(*(work(f"b{i}", "b", i) for i in range(3)), seat("dev", 1))
    order = []
    for i in range(6):
        made.note(work(f"a{i}", "a", 100 + i))
        ((name, _),) = placed(made)
        order.append(name[0])
        made.note(Work(ExecutionId(name), ExecutionState.PASSED, name[0], 0))
    assert "".join(order).count("b") == 3


def test_an_agent_that_refused_it_is_not_asked_again() -> None:
    made = floor(seat("dev"), work("e", refused={"dev": "no image"}))
    decisions = made.place()
    assert not decisions.placements
    assert decisions.hopeless == (("e", "dev refuses it: no image"),)


def test_a_draining_agent_takes_nothing_but_what_belongs_to_what_it_runs() -> None:
    made = floor(replace(seat("dev", 5), draining=True), work("new"), work("worker", pinned=DEV))
    assert placed(made) == [("worker", "dev")]
    assert made.why(ExecutionId("new")) == "waits for any agent: dev matches, draining"


def test_a_groups_limit_holds_over_agents() -> None:
    heavy = [work(f"e{i}", queued=i, group="heavy", group_max=2) for i in range(3)]
    made = floor(seat("dev", 9), seat("prod", 9), *heavy)
    assert len(placed(made)) == 2
    assert made.why(ExecutionId("e2")) == "waits for its turn among the group heavy: 2 of at most 2 run"


def test_cancel_in_progress_makes_room_by_the_oldest_and_once() -> None:
    old, new = (work(name, group="g", group_max=1, cancel_in_progress=True) for name in ("old", "new"))
    made = floor(seat("dev", 9), old)
    placed(made)
    made.note(replace(new, queued=2))
    assert made.place().evictions == (("old", "new"),)
    made.note(replace(old, state=ExecutionState.STOPPING, agent=DEV, stopping=True))
    assert not made.place()
    made.note(replace(old, state=ExecutionState.CANCELED))
    assert placed(made) == [("new", "dev")]


def test_a_group_does_not_lock_out_the_children_of_who_holds_it() -> None:
    parent = work("parent", group="g", group_max=1)
    made = floor(seat("dev", 9), parent)
    placed(made)
    made.note(work("child", group="g", group_max=1, parent=parent.id, parent_ref=StepRef("1"), depth=1))
    assert placed(made) == [("child", "dev")]


def test_a_waiting_parent_lends_its_slot_and_takes_it_back() -> None:
    parent = replace(work("p"), state=R, agent=DEV, attempt=1, waits_at=StepRef("1"))
    child = work("c", parent=parent.id, parent_ref=StepRef("1"), depth=1, pinned=DEV)
    made = floor(seat("dev", 1), parent, child, work("other", "x"))
    assert placed(made)[0] == ("c", "dev")
    assert made.load(DEV) == 1
    made.note(replace(child, state=ExecutionState.PASSED))
    assert made.load(DEV) == 1
    assert placed(made) == [], "the slot is the parent's again before anybody else gets it"


def test_a_signal_of_nothing_new_decides_nothing() -> None:
    made = floor(work("e"))
    assert not made.place()
    assert made.why(ExecutionId("e")) == "waits for any agent: there are no agents"


def test_what_was_not_handed_out_after_all_is_placed_again() -> None:
    made = floor(seat("dev"), work("e"))
    ((name, _),) = placed(made)
    assert placed(made) == []
    made.take_back(ExecutionId(name))
    assert placed(made) == [("e", "dev")]


def test_what_waits_for_something_else_now_waits_there_alone() -> None:
    made = floor(seat("dev"), seat("prod"), work("e", target=Target({"name": ("staging",)})))
    made.note(work("e", target=Target({"name": ("prod",)})))
    assert placed(made) == [("e", "prod")]
    assert made.waiting() == ()


def test_a_service_does_not_wait_behind_a_worker_that_needs_a_slot() -> None:
    made = floor(seat("dev", 1), work("busy"))
    placed(made)
    made.note(work("worker", queued=1, depth=1, pinned=DEV))
    made.note(work("service", queued=2, depth=1, pinned=DEV, rides=True))
    assert placed(made) == [("service", "dev")]


def test_a_thousand_agents_and_a_burst_are_placed_within_bounded_work() -> None:
    made = floor(*(seat(f"a{i}", 2) for i in range(1000)), *(work(f"e{i}", queued=i) for i in range(500)))
    assert len(made.place(1000).placements) == 500


# --- the model ---------------------------------------------------------------------------------------------------

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


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
