"""``execute`` and ``parallel``: children in waves, at most so many in flight, and one verdict on all of them.

Used by machine.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import assert_never

from workflow.execution.algebra import Ended, ended
from workflow.execution.broods import Child
from workflow.execution.events import (
    ChildrenExpanded,
    ExpandChildren,
    OperationEnded,
    StopOperation,
    StopReason,
    UnpackFiles,
)
from workflow.execution.timers import Purpose, Timer
from workflow.execution.work import Call, Tools, Work, stopped
from workflow.identifiers import SECOND
from workflow.journal import ChildSpec
from workflow.plan.nodes import Execute, Parallel
from workflow.states import ExecutionState, StepStatus

GRACE = 60 * SECOND
"""How long children that were told to stop are waited for. Their control plane may be out of reach, and this step
must end."""
NAMED = 10
"""Children that a verdict names one by one."""


class Phase(StrEnum):
    """What the crowd waits for."""

    COUNTING = "counting"  # the host counts out the children
    RUNNING = "running"
    UNPACKING = "unpacking"  # the host unpacks what children offered


class Crowd(Work):
    """Children side by side; passed when every one passed."""

    def __init__(self, tools: Tools, call: Call, operation: Execute | Parallel) -> None:
        super().__init__(tools, call)
        self._operation = operation
        self._brood = tools.broods.of(call.ref)
        self._phase = Phase.COUNTING
        self._queue: deque[ChildSpec] = deque()
        self._open: dict[int, Child] = {}
        self._all: list[Child] = []
        self._held = False
        self._total = 0

    def begin(self) -> None:
        """Have the children counted out."""
        self.desk.order(ExpandChildren(self.ref, self.iteration, self._operation, self.names))

    def expanded(self, event: ChildrenExpanded) -> Ended | None:
        """Start the first wave."""
        if self._phase is not Phase.COUNTING:
            return None
        self._phase = Phase.RUNNING
        if self.stopping is not None:
            return stopped(self.stopping)
        if event.problem:
            return Ended(StepStatus.FAILED, event.problem)
        specs = self._brood.numbered(event.children)
        self._total = len(specs)
        self._queue.extend(specs)
        return self._go_on()

    def child_changed(self, index: int) -> Ended | None:
        """Where a child ended there is room for the next; where one failed, fail-fast ends all."""
        child = self._open.get(index)
        if child is None or self._phase is not Phase.RUNNING:
            return None
        if child.state.final:
            del self._open[index]
            if self._fails_fast(child):
                self._give_up(f"fail-fast: {self._brood.called(child)} {child.state}")
        return self._go_on()

    def operation_ended(self, event: OperationEnded) -> Ended | None:
        """The children's files are unpacked."""
        if self._phase is not Phase.UNPACKING:
            return None
        end = ended(event.outcome, event.outputs, self.stopping)
        return self._verdict() if end.status is StepStatus.PASSED else end

    def timer_fired(self, timer: Timer) -> Ended | None:
        """Children that were told to stop have not answered: go on without them."""
        if timer.purpose is not Purpose.GRACE or self._phase is not Phase.RUNNING:
            return None
        self._open.clear()
        return self._go_on()

    def suspend(self) -> None:
        """Start no further child."""
        self._held = True

    def resume(self) -> Ended | None:
        """Start those that have waited."""
        self._held = False
        return self._go_on() if self._phase is Phase.RUNNING else None

    def halt(self, reason: StopReason) -> Ended | None:
        """Stop every child, or the unpacking."""
        match self._phase:
            case Phase.COUNTING:
                return None  # the host answers soon, and then it ends
            case Phase.UNPACKING:
                self.desk.order(StopOperation(self.ref, self.iteration, reason))
                return None
            case Phase.RUNNING:
                self._give_up(f"their parent was stopped: {reason}")
                return self._go_on()
            case _:
                assert_never(self._phase)

    def _fails_fast(self, child: Child) -> bool:
        fast = isinstance(self._operation, Parallel) and self._operation.fail_fast
        return fast and child.state is not ExecutionState.PASSED and not child.dropped and self.stopping is None

    def _give_up(self, reason: str) -> None:
        self._queue.clear()
        if self._brood.drop(self._open, reason):
            self.timers.start(Purpose.GRACE, self.ref, GRACE)

    def _go_on(self) -> Ended | None:
        if isinstance(self._operation, Execute) and not self._operation.wait:
            return self._let_go()
        self._fill()
        if self._open or self._queue:
            self._synchronise()
            return None
        if self.stopping is not None:
            return stopped(self.stopping)
        transfers = tuple(dict.fromkeys(offer for child in self._all for offer in child.fetched))
        if not transfers:
            return self._verdict()
        self._phase = Phase.UNPACKING
        self.desk.order(UnpackFiles(self.ref, self.iteration, transfers))
        return None

    def _let_go(self) -> Ended | None:
        """``async``: all at once, and no waiting."""
        if self.stopping is not None:
            return stopped(self.stopping)
        if self._held:
            return None
        self._brood.want(self._queue)
        return Ended(StepStatus.PASSED)

    def _fill(self) -> None:
        if self._held:
            return
        wave: list[ChildSpec] = []
        while self._queue and len(self._open) + len(wave) < max(self._operation.parallelism, 1):
            wave.append(self._queue.popleft())
        self._brood.want(wave)
        for spec in wave:
            child = self._brood.children[spec.index]
            self._open[spec.index] = child
            self._all.append(child)

    def _synchronise(self) -> None:
        """Children of a synchronised parallel pause first, and go on together when all that have room are paused."""
        if not (isinstance(self._operation, Parallel) and self._operation.synchronised):
            return
        waiting = [i for i, child in self._open.items() if not child.resumed and not child.dropped]
        if all(self._open[i].state is ExecutionState.PAUSED for i in waiting) and not self._held:
            self._brood.let_go_on(waiting)

    def _verdict(self) -> Ended:
        bad = [child for child in self._all if child.state is not ExecutionState.PASSED]
        if not bad and len(self._all) == self._total:
            return Ended(StepStatus.PASSED)
        words = "; ".join(self._story(child) for child in bad[:NAMED])
        more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        never = self._total - len(self._all)
        unbegun = f"; {never} never started" if never else ""
        return Ended(StepStatus.FAILED, f"{len(bad)} of {self._total} did not pass: {words}{more}{unbegun}")

    def _story(self, child: Child) -> str:
        state = child.state.value if child.state.final else "did not stop in time"
        return f"{self._brood.called(child)} {state}" + (f" ({child.reason})" if child.reason else "")
