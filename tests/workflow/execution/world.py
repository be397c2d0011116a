"""A random host: makes plans, answers the machine in any order that the contract allows, and watches the invariants.

Every choice comes from one ``Random``, so that a failure is a seed. A broken invariant is an ``AssertionError`` that
says which.
"""

from __future__ import annotations

from random import Random
from typing import Any, assert_never

from tests.workflow.execution.plans import group, op, plan, run
from tests.workflow.execution.watch import Watch
from workflow.execution.events import (
    Begun,
    Broken,
    ChildrenExpanded,
    Done,
    Event,
    Exited,
    ExpandChildren,
    Killed,
    OperationEnded,
    Outcome,
    Stopped,
    TimerFired,
    Told,
)
from workflow.execution.machine import Machine
from workflow.identifiers import SECOND, ExecutionId, Instant, StepRef
from workflow.journal import ChildChanged, ChildKind, ChildSpec, Pause, Resume, Stop
from workflow.plan.nodes import (
    Delay,
    Execute,
    Parallel,
    Plan,
    Retry,
    SaveArtifacts,
    Service,
    Spread,
    StartServices,
    Step,
    StopServices,
)
from workflow.states import EXECUTION_MOVES, ExecutionState

CONDITIONS = ("passed",) * 6 + ("always", "always", "failed", "never")
WORKER = Plan("worker", ())


# --- plans -------------------------------------------------------------------------------------------------------


def some_plan(dice: Random) -> Plan:
    steps = [_some_step(dice, 0) for _ in range(dice.randint(0, 4))]
    made = plan(*steps, active_deadline=dice.choice((None, None, None, 20 * SECOND)))
    return _with_services(dice, made)


def _some_step(dice: Random, depth: int) -> Step:
    how: dict[str, Any] = {
        "condition": dice.choice(CONDITIONS),
        "optional": dice.random() < 0.2,
        "negative": dice.random() < 0.15,
        "paused": dice.random() < 0.1,
        "timeout": dice.choice((None, None, 5 * SECOND)),
        "hidden": dice.random() < 0.2,
    }
    kind = dice.random()
    if depth < 3 and kind < 0.35:
        return group(*[_some_step(dice, depth + 1) for _ in range(dice.randint(0, 3))], **how)
    retry = dice.choice((None, None, Retry(dice.randint(1, 2))))
    if kind < 0.7:
        return run(retry=retry, **how)
    if kind < 0.75:
        return op(SaveArtifacts(("*",)), **how)
    if kind < 0.8:
        return op(Delay(dice.choice((0, 3 * SECOND))), **how)
    parallelism = dice.randint(1, 3)
    if kind < 0.9:
        return op(Execute((), parallelism, dice.random() < 0.8), retry=retry, **how)
    fail_fast, synchronised = dice.random() < 0.4, dice.random() < 0.4
    return op(Parallel(WORKER, Spread(), parallelism, fail_fast, synchronised), **how)


def _with_services(dice: Random, made: Plan) -> Plan:
    """Around all steps, now and then: services that start before and stop after them."""
    if dice.random() < 0.6:
        return made
    limit = dice.choice((None, 4 * SECOND))
    start = op(StartServices((Service("db", WORKER, Spread(), limit),)), hidden=True)
    stop = [op(StopServices(StepRef("1")), condition="always", hidden=True)] if dice.random() < 0.8 else []
    return plan(start, *made.steps, *stop, active_deadline=made.active_deadline)


# --- the host ----------------------------------------------------------------------------------------------------


class World:
    """One execution under a random host."""

    def __init__(self, seed: int | Random) -> None:
        self.dice = seed if isinstance(seed, Random) else Random(seed)
        self.plan = some_plan(self.dice)
        self.machine = Machine.begin(self.plan, {"index": 1})
        self.watch = Watch(self.plan)
        self.events: list[Event] = []
        self.at = 0

    def play(self) -> None:
        """Random events for a while, then an end that must come."""
        if self.dice.random() < 0.9:
            self.feed(Begun(Instant(self.at), {"A": "b"}))
        for _ in range(self.dice.randint(0, 60)):
            self._at_random()
        self._to_the_end()
        self.watch.at_the_end()
        again = Machine.begin(self.plan, {"index": 1})
        assert [again.after(event) for event in self.events] == self.watch.answers, "replay: other commands"

    def feed(self, event: Event) -> None:
        self.events.append(event)
        self.watch.before(event)
        self.watch.after(event, self.machine.after(event))

    def _at_random(self) -> None:
        self.at += self.dice.choice((0, 1000, SECOND))
        kind = self.dice.random()
        if kind < 0.03:
            self._tell(Pause())
        elif kind < 0.12:
            self._tell(Resume())
        elif kind < 0.135:
            self._tell(Stop(self.dice.choice((ExecutionState.CANCELED, ExecutionState.ABORTED)), "told so"))
        elif kind < 0.2 and self.events:
            old = self.dice.choice(self.events)
            if not isinstance(old, TimerFired | Told):
                self.feed(old)  # a repetition
        elif kind < 0.6:
            self._answer()
        elif kind < 0.9:
            self._child(self.dice.random() < 0.05)
        else:
            self._timer()

    def _to_the_end(self) -> None:
        """Whatever was going on: a host that answers comes to an end, and so does a cancel, though children never
        answer."""
        self.feed(Begun(Instant(self.at), {"A": "b"}))
        deaf = self.dice.random() < 0.5
        if deaf:
            self._tell(Stop(ExecutionState.CANCELED, "the end"))
        for _ in range(3000):
            if self.machine.over:
                return
            if self.watch.running or self.watch.counting:
                self._answer()
            elif self.watch.paused:
                self._tell(Resume())
            elif deaf or not self.watch.waited_for():
                assert self.watch.timers, "liveness: nothing is under way and it is not over"
                self._timer()
            else:
                self._child(False)
        raise AssertionError("liveness: it never ends")

    def _tell(self, directive: Pause | Resume | Stop | ChildChanged) -> None:
        self.feed(Told(Instant(self.at), directive))

    def _answer(self) -> None:
        if self.watch.counting:
            expand = self.watch.counting
            problem = "no number" if self.dice.random() < 0.1 else ""
            count = 0 if problem else self.dice.randint(0, 5)
            self.feed(ChildrenExpanded(Instant(self.at), expand.ref, expand.iteration, _specs(expand, count), problem))
        elif self.watch.running:
            ref, iteration = self.watch.running
            outputs = {"key": "value"} if self.dice.random() < 0.2 else {}
            self.feed(OperationEnded(Instant(self.at), ref, iteration, self._outcome(), outputs))

    def _outcome(self) -> Outcome:
        if self.watch.stop_asked and self.dice.random() < 0.7:
            return Stopped()
        return self.dice.choice((Exited(0), Exited(0), Exited(0), Exited(1), Killed(9, "OOM"), Broken("no"), Done()))

    def _child(self, unknown: bool) -> None:
        known = self.watch.children
        if unknown:
            self._tell(ChildChanged(StepRef("1"), 99, ExecutionId("x"), ExecutionState.PASSED))
        elif known:
            ref, index = self.dice.choice(sorted(known))
            moves = sorted(EXECUTION_MOVES[known[ref, index]]) or [known[ref, index]]
            state = self.dice.choice([*moves, known[ref, index]])
            ready = state is ExecutionState.RUNNING and self.dice.random() < 0.7
            offers = (("sha256:1", "/x"),) if state.final and self.dice.random() < 0.2 else ()
            news = ChildChanged(ref, index, ExecutionId(f"c{index}"), state, ready, "host", "", "", offers)
            self._tell(news)

    def _timer(self) -> None:
        if self.watch.timers:
            name = self.dice.choice(sorted(self.watch.timers))
            self.at = max(self.at, self.watch.timers[name])
            self.feed(TimerFired(Instant(self.at), name))


def _specs(expand: ExpandChildren, count: int) -> tuple[ChildSpec, ...]:
    match expand.operation:
        case Execute():
            kind = ChildKind.WORKFLOW
        case Parallel():
            kind = ChildKind.WORKER
        case StartServices():
            kind = ChildKind.SERVICE
        case other:
            assert_never(other)  # type: ignore[arg-type]
    return tuple(ChildSpec(kind, index) for index in range(count))
