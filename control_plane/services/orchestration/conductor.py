"""One orchestrated execution: the state machine, its timers, its record. Used by orchestration.

Event sourcing. Each input event is stored before anything that follows from it, together with the entries that the
machine wrote for it, in one unit of work. After a restart the stored events are fed again: the same machine gives the
same entries with the same numbers, and what was applied and stored before is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import cast

from workflow.execution.events import (
    Begun,
    Broken,
    CancelTimer,
    ChildrenExpanded,
    Command,
    ContinueOperation,
    Event,
    ExpandChildren,
    OperationEnded,
    Over,
    StartOperation,
    StartTimer,
    StopOperation,
    Stopped,
    SuspendOperation,
    TimerFired,
    UnpackFiles,
    Write,
)
from workflow.execution.machine import Machine
from workflow.expressions import ExpressionError
from workflow.identifiers import Instant
from workflow.journal import AttemptStarted, Entry, Record
from workflow.plan.children import BadSpread, expand
from workflow.plan.codec import decoder, encoder
from workflow.plan.nodes import Execute, Json, Plan

_encode_event = encoder(cast(Hashable, Event))
_decode_event = decoder(cast(Hashable, Event))


def to_bytes(event: Event) -> bytes:
    """An input event as it is stored."""
    return json.dumps(_encode_event(event), separators=(",", ":")).encode()


def from_bytes(data: bytes) -> Event:
    """The event that ``to_bytes`` made this of. BadPlan."""
    return cast(Event, _decode_event(json.loads(data), "event"))


@dataclass(slots=True)
class Conductor:
    """The machine with what surrounds it. Pure but for being mutable: ``take`` says what follows from an event."""

    plan: Plan
    variables: Mapping[str, Json]
    machine: Machine = field(init=False)
    events: int = 0
    written: int = 0
    timers: dict[str, tuple[Instant, int]] = field(default_factory=dict)  # set when, for how long
    over: bool = False

    def __post_init__(self) -> None:
        self.machine = Machine.begin(self.plan, self.variables)

    def take(self, event: Event) -> tuple[list[Record], list[Event]]:
        """Feed the event; the records that it gave, and the events that answer what the machine asked for."""
        self.events += 1
        records: list[Record] = []
        answers: list[Event] = []
        if self.events == 1:
            records.append(self._record(AttemptStarted(event.at, host="control plane")))
        for command in self.machine.after(event):
            answer = self._perform(command, event.at, records)
            if answer is not None:
                answers.append(answer)
        return records, answers

    def _perform(self, command: Command, at: Instant, records: list[Record]) -> Event | None:
        match command:
            case Write(entry=entry):
                records.append(self._record(entry))
            case StartTimer(timer=timer, after=after):
                self.timers[timer] = (at, after)
            case CancelTimer(timer=timer):
                self.timers.pop(timer, None)
            case ExpandChildren():
                return _expanded(command, at)
            case StartOperation(ref=ref, iteration=iteration):
                return OperationEnded(at, ref, iteration, Broken("the control plane runs no steps of its own"))
            case UnpackFiles(ref=ref, iteration=iteration):
                return OperationEnded(at, ref, iteration, Broken("the control plane unpacks no files"))
            case StopOperation(ref=ref, iteration=iteration):
                return OperationEnded(at, ref, iteration, Stopped())
            case SuspendOperation() | ContinueOperation():
                pass
            case Over():
                self.over = True
        return None

    def _record(self, entry: Entry) -> Record:
        self.written += 1
        return Record(self.written, entry)


def _expanded(command: ExpandChildren, at: Instant) -> ChildrenExpanded:
    """Count out the children; there are no files here."""
    operation = command.operation
    try:
        if not isinstance(operation, Execute):
            raise BadSpread("the control plane conducts workflows that only execute others")
        return ChildrenExpanded(at, command.ref, command.iteration, expand(operation, command.names))
    except (BadSpread, ExpressionError) as problem:
        return ChildrenExpanded(at, command.ref, command.iteration, problem=str(problem))


def first_event(at: Instant) -> Event:
    """What begins an orchestrated execution."""
    return Begun(at)


def fired(timer: str, at: Instant) -> Event:
    """A timer's moment has come."""
    return TimerFired(at, timer)


__all__ = ["Conductor", "fired", "first_event", "from_bytes", "to_bytes"]
