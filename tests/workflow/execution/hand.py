"""A host by hand: feeds events one by one and keeps what the machine asked for."""

from __future__ import annotations

from collections.abc import Mapping

from workflow.execution.events import (
    Begun,
    CancelTimer,
    ChildrenExpanded,
    Command,
    Event,
    Exited,
    OperationEnded,
    Outcome,
    Over,
    StartOperation,
    StartTimer,
    TimerFired,
    Told,
    Write,
)
from workflow.execution.machine import Machine
from workflow.identifiers import ExecutionId, Instant, StepRef
from workflow.journal import ChildChanged, ChildSpec, Directive, Entry, StepFinished
from workflow.plan.nodes import Json, Plan
from workflow.states import ExecutionState


class Hand:
    """One execution, driven step by step. ``at`` is the clock in microseconds; set it freely."""

    def __init__(self, plan: Plan, variables: Mapping[str, Json] | None = None) -> None:
        self.machine = Machine.begin(plan, variables or {})
        self.at = 0
        self.events: list[Event] = []
        self.entries: list[Entry] = []
        self.last: tuple[Command, ...] = ()
        self.operations: list[StartOperation] = []
        self.timers: dict[str, tuple[int, int]] = {}
        self.over: Over | None = None

    def feed(self, event: Event) -> tuple[Command, ...]:
        self.events.append(event)
        self.last = self.machine.after(event)
        for command in self.last:
            match command:
                case Write(entry=entry):
                    self.entries.append(entry)
                case StartOperation():
                    self.operations.append(command)
                case StartTimer(timer=timer, after=after):
                    self.timers[timer] = (self.at, after)
                case CancelTimer(timer=timer):
                    del self.timers[timer]
                case Over():
                    self.over = command
        return self.last

    def begun(self, **env: str) -> Hand:
        self.feed(Begun(Instant(self.at), env))
        return self

    def ended(self, ref: str, outcome: Outcome = Exited(0), iteration: int = 0, **outputs: str) -> Hand:  # noqa: B008
        self.feed(OperationEnded(Instant(self.at), StepRef(ref), iteration, outcome, outputs))
        return self

    def expanded(self, ref: str, *children: ChildSpec, problem: str = "", iteration: int = 0) -> Hand:
        self.feed(ChildrenExpanded(Instant(self.at), StepRef(ref), iteration, children, problem))
        return self

    def told(self, directive: Directive) -> Hand:
        self.feed(Told(Instant(self.at), directive))
        return self

    def child(self, ref: str, index: int, state: ExecutionState, **more: object) -> Hand:
        news = ChildChanged(StepRef(ref), index, ExecutionId(f"c{index}"), state, **more)  # type: ignore[arg-type]
        return self.told(news)

    def pass_time(self, by: int) -> Hand:
        """Let the clock go on, and fire what is due, in order."""
        until = self.at + by
        while due := [(since + after, name) for name, (since, after) in self.timers.items() if since + after <= until]:
            self.at, name = min(due)
            del self.timers[name]
            self.feed(TimerFired(Instant(self.at), name))
        self.at = until
        return self

    @property
    def running(self) -> list[str]:
        """References of operations started by the last event."""
        return [command.ref for command in self.last if isinstance(command, StartOperation)]

    def commands(self, kind: type[Command]) -> list[Command]:
        """Those of the last commands that are of this kind."""
        return [command for command in self.last if isinstance(command, kind)]

    def ends(self) -> dict[str, str]:
        """Every step that ended, with its status."""
        return {entry.ref: entry.status.value for entry in self.entries if isinstance(entry, StepFinished)}

    def reason(self, ref: str) -> str:
        """Why the step ended so."""
        return next(e.reason for e in self.entries if isinstance(e, StepFinished) and e.ref == ref)

    @property
    def state(self) -> str:
        """How all ended; empty while it has not."""
        return self.over.state.value if self.over else ""
