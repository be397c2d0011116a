"""The state machine of one execution: events in, commands out.

Hosted by agent.conductor (steps in a pod or a process) and by control_plane.services.orchestration (``execute``
alone). It does no I/O and knows no clock, so the same events always give the same commands, and feeding them again
after a restart rebuilds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from workflow.execution.broods import Broods
from workflow.execution.course import Course
from workflow.execution.desk import Desk
from workflow.execution.events import (
    Begun,
    ChildrenExpanded,
    Command,
    Event,
    OperationEnded,
    StopReason,
    TimerFired,
    Told,
)
from workflow.execution.scope import Scope
from workflow.execution.timers import Purpose, Timer, Timers
from workflow.execution.words import duration
from workflow.execution.work import Tools
from workflow.identifiers import StepRef
from workflow.journal import ChildChanged, Directive, Pause, Resume, Stop
from workflow.plan.nodes import Json, Plan
from workflow.states import ExecutionState

_EXECUTION = StepRef("")
"""Timers of the execution itself stand under this reference."""


class Machine:
    """One execution. Made by ``begin``, fed by ``after``, over when ``Over`` was given out."""

    def __init__(self, plan: Plan, known: Mapping[str, Json]) -> None:
        self._deadline = plan.active_deadline
        self._desk = Desk()
        self._timers = Timers(self._desk)
        self._tools = Tools(self._desk, self._timers, Broods(self._desk))
        self._scope = Scope(plan.steps, known)
        self._course = Course(plan.steps, self._tools, self._scope)
        self._begun = False

    @classmethod
    def begin(cls, plan: Plan, variables: Mapping[str, Json], facts: Mapping[str, Json] | None = None) -> Machine:
        """A machine that waits for ``Begun``; there are no commands before. ``variables`` are the execution's own
        (index, matrix, ...), ``facts`` those of its surroundings (execution, workflow, ...), by the names under
        which expressions see them."""
        return cls(plan, {**(facts or {}), **variables})

    @property
    def over(self) -> bool:
        """Whether AttemptFinished was written: nothing changes any more."""
        return self._course.over

    def after(self, event: Event) -> tuple[Command, ...]:
        """What is to be done after ``event``, in order. Events that come twice, too late or from elsewhere change
        nothing."""
        if self._course.over:
            return ()
        self._desk.now = event.at
        match event:
            case Begun():
                self._on_begun(event)
            case OperationEnded(ref=ref, iteration=iteration):
                if work := self._course.work_of(ref, iteration):
                    self._course.settle(work.operation_ended(event))
            case ChildrenExpanded(ref=ref, iteration=iteration):
                if work := self._course.work_of(ref, iteration):
                    self._course.settle(work.expanded(event))
            case TimerFired(timer=name):
                if timer := self._timers.fired(name):
                    self._on_timer(timer)
            case Told(directive=directive):
                self._on_directive(directive)
            case _:
                assert_never(event)
        if self._begun or self._course.ending is not None:
            self._course.advance()
        return self._desk.taken()

    def _on_begun(self, begun: Begun) -> None:
        if self._begun:
            return
        self._begun = True
        self._scope.env, self._scope.secrets = begun.env, begun.secrets
        if self._deadline is not None:
            self._timers.start(Purpose.DEADLINE, _EXECUTION, self._deadline)

    def _on_directive(self, directive: Directive) -> None:
        match directive:
            case ChildChanged(ref=ref, index=index):
                work = self._course.work_of(ref)
                if self._tools.broods.changed(directive) and work is not None:
                    self._course.settle(work.child_changed(index))
            case Stop():
                self._end(directive)
            case Pause():
                self._course.pause()
            case Resume():
                self._course.resume()
            case _:
                assert_never(directive)

    def _on_timer(self, timer: Timer) -> None:
        match timer.purpose:
            case Purpose.DEADLINE:
                limit = duration(self._deadline or 0)
                self._end(Stop(ExecutionState.ABORTED, f"the execution took longer than its deadline of {limit}"))
            case Purpose.GROUP:
                self._course.expire(timer.ref)
            case Purpose.STEP:
                self._course.stop_work(StopReason.TIMEOUT)
            case Purpose.DELAY | Purpose.READY | Purpose.GRACE:
                if work := self._course.work_of(timer.ref):
                    self._course.settle(work.timer_fired(timer))
            case _:
                assert_never(timer.purpose)

    def _end(self, stop: Stop) -> None:
        self._timers.cancel(_EXECUTION)
        self._course.end(stop)
