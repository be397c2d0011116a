"""The invariants of the state machine, watched from outside: by events and commands alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from workflow.execution.events import (
    CancelTimer,
    Command,
    ContinueOperation,
    Event,
    ExpandChildren,
    OperationEnded,
    Over,
    StartOperation,
    StartTimer,
    StopOperation,
    SuspendOperation,
    TimerFired,
    Told,
    UnpackFiles,
    Write,
)
from workflow.execution.events import ChildrenExpanded as Expanded
from workflow.execution.timers import Purpose
from workflow.identifiers import StepRef
from workflow.journal import (
    AttemptFinished,
    ChildChanged,
    ChildKind,
    ChildrenDropped,
    ChildrenWanted,
    Entry,
    Pause,
    Resume,
    StepFinished,
    StepPaused,
    StepResumed,
    StepStarted,
    Stop,
)
from workflow.plan.nodes import Execute, Group, Parallel, Plan, Step, walk
from workflow.states import STEP_MOVES, ExecutionState, StepStatus


@dataclass
class Watch:
    """What a host knows, and what must hold of it after every event."""

    plan: Plan
    answers: list[tuple[Command, ...]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    running: tuple[StepRef, int] | None = None
    counting: ExpandChildren | None = None
    stop_asked: bool = False
    timers: dict[str, int] = field(default_factory=dict)
    timers_seen: set[str] = field(default_factory=set)
    children: dict[tuple[StepRef, int], ExecutionState] = field(default_factory=dict)
    kinds: dict[tuple[StepRef, int], ChildKind] = field(default_factory=dict)
    dropped: set[tuple[StepRef, int]] = field(default_factory=set)
    statuses: dict[StepRef, StepStatus] = field(default_factory=dict)
    iterations: dict[StepRef, int] = field(default_factory=dict)
    held: set[StepRef] = field(default_factory=set)
    told_to_pause: bool = False
    ending: Stop | None = None
    over: Over | None = None

    def __post_init__(self) -> None:
        self.steps = {step.ref: step for step in walk(self.plan.steps)}
        self.around = dict(_around(self.plan.steps, None))

    @property
    def paused(self) -> bool:
        return self.ending is None and (self.told_to_pause or bool(self.held))

    def waited_for(self) -> list[tuple[StepRef, int]]:
        """Open children of a step that has not ended."""
        return [
            key for key, state in self.children.items() if not state.final and not self.statuses.get(key[0], _Q).final
        ]

    # --- an event ----------------------------------------------------------------------------------------------------

    def before(self, event: Event) -> None:
        match event:
            case OperationEnded(ref=ref, iteration=iteration) if self.running == (ref, iteration):
                self.running, self.stop_asked = None, False
            case Expanded(ref=ref, iteration=iteration) if self.counting and self.counting.ref == ref:
                if self.counting.iteration == iteration:
                    self.counting = None
            case TimerFired(timer=timer):
                del self.timers[timer]
                if timer.startswith(Purpose.DEADLINE) and self.ending is None:
                    self.ending = Stop(ExecutionState.ABORTED, "the deadline")
            case Told(directive=directive):
                self._told(directive)
            case _:
                pass

    def _told(self, directive: ChildChanged | Stop | Pause | Resume) -> None:
        match directive:
            case ChildChanged(ref=ref, index=index, state=state):
                if (ref, index) in self.children and not self.children[ref, index].final:
                    self.children[ref, index] = state
            case Stop() if self.ending is None and self.over is None:
                self.ending = directive
            case Pause() if self.ending is None:
                self.told_to_pause = True
            case Resume():
                self.told_to_pause = False
            case _:
                pass

    def after(self, event: Event, commands: tuple[Command, ...]) -> None:
        self.answers.append(commands)
        was_over, at_rest = self.over, self.running
        for command in commands:
            assert was_over is None, "nothing comes after the end"
            self._command(event, command)
        if self.ending is not None:
            self.told_to_pause = False
            assert at_rest is None or self.stop_asked, "cancel: what runs is stopped"
        if isinstance(event, TimerFired) and event.timer.startswith((Purpose.STEP, Purpose.GROUP)):
            assert at_rest is None or self.stop_asked, "time-out: what runs is stopped"
        idle = not (self.running or self.counting or self.timers or self.waited_for() or self.paused)
        begun = bool(self.entries) or self.ending is not None
        assert self.over or not idle or not begun, "liveness: an idle machine is over"

    def _command(self, event: Event, command: Command) -> None:
        match command:
            case StartOperation(ref=ref, iteration=iteration) | UnpackFiles(ref=ref, iteration=iteration):
                assert self.running is None and self.counting is None, "one operation at a time"
                assert not self.ending, "cancel: nothing starts"
                assert not self.told_to_pause or isinstance(command, UnpackFiles), "pause: nothing starts"
                self.running = (ref, iteration)
            case ExpandChildren():
                assert self.running is None and self.counting is None, "one operation at a time"
                assert not self.told_to_pause and not self.ending, "pause, cancel: nothing starts"
                self.counting = command
            case StopOperation(ref=ref, iteration=iteration):
                assert self.running == (ref, iteration) and not self.stop_asked, "what runs is stopped, once"
                self.stop_asked = True
            case SuspendOperation(ref=ref, iteration=iteration) | ContinueOperation(ref=ref, iteration=iteration):
                assert self.running == (ref, iteration), "what runs is suspended"
            case StartTimer(timer=timer, after=after):
                assert timer not in self.timers_seen, "a timer's name is used once"
                self.timers_seen.add(timer)
                self.timers[timer] = event.at + after
            case CancelTimer(timer=timer):
                assert timer in self.timers, "a running timer is cancelled"
                del self.timers[timer]
            case Write(entry=entry):
                assert not any(isinstance(e, AttemptFinished) for e in self.entries), "AttemptFinished is last"
                self.entries.append(entry)
                self._entry(entry)
            case Over():
                assert isinstance(self.entries[-1], AttemptFinished), "Over follows AttemptFinished"
                self.over = command

    # --- the journal -------------------------------------------------------------------------------------------------

    def _entry(self, entry: Entry) -> None:
        match entry:
            case StepStarted(ref=ref, iteration=iteration):
                self._started(self.steps[ref], iteration)
            case StepPaused(ref=ref):
                self._move(ref, StepStatus.PAUSED)
                self.held.add(ref)
            case StepResumed(ref=ref):
                assert ref in self.held, "resumed what was paused"
                self._move(ref, StepStatus.RUNNING)
                self.held.discard(ref)
            case StepFinished(ref=ref, status=status):
                self._finished(self.steps[ref], status)
            case ChildrenWanted(ref=ref, children=children):
                assert not self.told_to_pause and not self.ending, "pause, cancel: no child starts"
                for child in children:
                    assert (ref, child.index) not in self.children, "a child's number is used once"
                    self.children[ref, child.index] = ExecutionState.QUEUED
                    self.kinds[ref, child.index] = child.kind
                self._bounded(self.steps[ref])
            case ChildrenDropped(ref=ref, indices=indices):
                for index in indices:
                    assert not self.children[ref, index].final and (ref, index) not in self.dropped, "open ones, once"
                    self.dropped.add((ref, index))
            case _:
                pass

    def _move(self, ref: StepRef, end: StepStatus) -> None:
        start = self.statuses.get(ref, _Q)
        if start is not end:
            assert end in STEP_MOVES[start], f"{ref}: {start} -> {end}"
        self.statuses[ref] = end

    def _started(self, step: Step, iteration: int) -> None:
        assert not self.ending and not self.told_to_pause, "pause, cancel: nothing starts"
        assert step.condition != "never", "never"
        assert iteration == self.iterations.get(step.ref, -1) + 1, "iterations are counted out"
        assert iteration <= (step.retry.count if step.retry else 0), "count + 1 runs at the most"
        self.iterations[step.ref] = iteration
        if iteration == 0:
            well = self._all_well(step)
            assert step.condition != "passed" or well, "passed: all was well before"
            assert step.condition != "failed" or not well, "failed: not all was well before"
        if self.around[step.ref]:
            assert self.statuses[self.around[step.ref]] is StepStatus.RUNNING, "its group is open"  # type: ignore[index]
        self._move(step.ref, StepStatus.RUNNING)

    def _all_well(self, step: Step) -> bool:
        """Whether every non-optional step before it, here and around, was good."""
        parent = self.around[step.ref]
        for sibling in _children(self.plan, self.steps[parent] if parent else None):
            if sibling.ref == step.ref:
                break
            if not sibling.optional and not self.statuses[sibling.ref].good:
                return False
        return parent is None or self._all_well(self.steps[parent])

    def _finished(self, step: Step, status: StepStatus) -> None:
        assert not self.statuses.get(step.ref, _Q).final, "a step ends once"
        self._move(step.ref, status)
        self.held.discard(step.ref)
        if not isinstance(step.body, Group):
            return
        below = [(child, self.statuses.get(child.ref, _Q)) for child in step.body.steps]
        assert all(each.final for _, each in below), "a group ends after its children"
        if status in {StepStatus.PASSED, StepStatus.FAILED}:
            well = all(each.good for child, each in below if not child.optional)
            assert (status is StepStatus.PASSED) is (well is not step.negative), "a group is the AND of its children"
        elif status is StepStatus.SKIPPED:
            assert all(each is StepStatus.SKIPPED for _, each in below), "a skipped group runs nothing"

    def _bounded(self, step: Step) -> None:
        if isinstance(step.body, Parallel) or (isinstance(step.body, Execute) and step.body.wait):
            open_now = [key for key in self.waited_for() if key[0] == step.ref and key not in self.dropped]
            assert len(open_now) <= step.body.parallelism, "no more children than there is room for"

    # --- the end -----------------------------------------------------------------------------------------------------

    def at_the_end(self) -> None:
        assert self.over is not None
        assert self.running is None and self.counting is None, "every operation has answered"
        assert not self.timers, "no timer is left"
        ends = [entry.ref for entry in self.entries if isinstance(entry, StepFinished)]
        assert sorted(ends) == sorted(self.steps), "every step ends exactly once"
        for key, kind in self.kinds.items():
            if kind is ChildKind.SERVICE:
                assert key in self.dropped or self.children[key].final, "no service is left"
        self._verdict(self.over)

    def _verdict(self, over: Over) -> None:
        (last,) = [entry for entry in self.entries if isinstance(entry, AttemptFinished)]
        assert (last.state, last.reason) == (over.state, over.reason)
        if self.ending is not None:
            assert over.state is self.ending.state, "the first word counts"
            return
        well = all(self.statuses[step.ref].good for step in self.plan.steps if not step.optional)
        assert over.state is (ExecutionState.PASSED if well else ExecutionState.FAILED), "the verdict is the AND"
        assert not {StepStatus.CANCELED, StepStatus.ABORTED} & set(self.statuses.values()), "nobody stopped it"


_Q = StepStatus.QUEUED


def _around(steps: tuple[Step, ...], parent: StepRef | None) -> Iterator[tuple[StepRef, StepRef | None]]:
    for step in steps:
        yield step.ref, parent
        if isinstance(step.body, Group):
            yield from _around(step.body.steps, step.ref)


def _children(plan: Plan, parent: Step | None) -> tuple[Step, ...]:
    if parent is None:
        return plan.steps
    assert isinstance(parent.body, Group)
    return parent.body.steps
