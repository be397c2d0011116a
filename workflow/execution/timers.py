"""The timers of one execution, which stand still while it is paused.

Used inside workflow.execution alone. Every timer that the host sees has a name of its own, never used again, so
that a firing which crosses its cancellation on the way names nothing and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from workflow.execution.desk import Desk
from workflow.execution.events import CancelTimer, StartTimer
from workflow.identifiers import Instant, StepRef


class Purpose(StrEnum):
    """What a timer is for."""

    STEP = "step"  # time-out of one attempt of an operation
    GROUP = "group"  # time-out of a group with all its children
    DELAY = "delay"  # the operation of a delay itself
    READY = "ready"  # services must be ready by then
    GRACE = "grace"  # children told to stop must have stopped by then
    DEADLINE = "deadline"  # of the whole execution


_STANDS_STILL = frozenset({Purpose.STEP, Purpose.GROUP, Purpose.DELAY, Purpose.READY})
"""Those that do not count the time in pause."""


@dataclass(slots=True)
class Timer:
    """One timer. ``since`` is None while it stands still; ``left`` is what was left of it at ``since``, in
    microseconds."""

    purpose: Purpose
    ref: StepRef
    item: int
    left: int
    since: Instant | None = None


class Timers:
    """All timers that run or stand still."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._count = 0
        self._running: dict[str, Timer] = {}
        self._still: list[Timer] = []
        self._suspended = False

    def start(self, purpose: Purpose, ref: StepRef, after: int, item: int = 0) -> None:
        """Set a timer that fires ``after`` microseconds from now. ``item`` tells apart several of one purpose and
        step."""
        self._run(Timer(purpose, ref, item, max(after, 0)))

    def fired(self, name: str) -> Timer | None:
        """The timer of this name, now forgotten; None where it was cancelled meanwhile."""
        return self._running.pop(name, None)

    def cancel(self, ref: StepRef) -> None:
        """Forget every timer of the step ``ref``."""
        for name in [name for name, timer in self._running.items() if timer.ref == ref]:
            del self._running[name]
            self._desk.order(CancelTimer(name))
        self._still = [timer for timer in self._still if timer.ref != ref]

    def cancel_all(self) -> None:
        """Forget every timer."""
        for name in self._running:
            self._desk.order(CancelTimer(name))
        self._running.clear()
        self._still.clear()

    def suspend(self) -> None:
        """Let those stand still that do not count the time in pause."""
        now, self._suspended = self._desk.now, True
        for name in [name for name, timer in self._running.items() if timer.purpose in _STANDS_STILL]:
            timer = self._running.pop(name)
            elapsed = max(now - timer.since, 0) if timer.since is not None else 0
            timer.left, timer.since = max(timer.left - elapsed, 0), None
            self._still.append(timer)
            self._desk.order(CancelTimer(name))

    def resume(self) -> None:
        """Let those go on that stand still."""
        self._suspended = False
        still, self._still = self._still, []
        for timer in still:
            self._run(timer)

    def _run(self, timer: Timer) -> None:
        if self._suspended and timer.purpose in _STANDS_STILL:
            self._still.append(timer)
            return
        self._count += 1
        name = f"{timer.purpose}:{timer.ref}:{self._count}"
        timer.since = self._desk.now
        self._running[name] = timer
        self._desk.order(StartTimer(name, timer.left))
