"""Operations without children: processes and other work of the host, and delays.

Used by machine.
"""

from __future__ import annotations

from workflow.execution.algebra import Ended, ended
from workflow.execution.events import (
    ContinueOperation,
    OperationEnded,
    StartOperation,
    StopOperation,
    StopReason,
    SuspendOperation,
)
from workflow.execution.timers import Purpose, Timer
from workflow.execution.work import Call, Tools, Work
from workflow.plan.nodes import Clone, Delay, FetchTarball, OfferFiles, Run, SaveArtifacts, WriteFiles
from workflow.states import StepStatus

HostOperation = Run | WriteFiles | Clone | FetchTarball | SaveArtifacts | OfferFiles


class Hosted(Work):
    """The host does it: StartOperation, answered by OperationEnded."""

    def __init__(self, tools: Tools, call: Call, operation: HostOperation) -> None:
        super().__init__(tools, call)
        self._operation = operation

    def begin(self) -> None:
        """Hand it to the host."""
        self.desk.order(StartOperation(self.ref, self.iteration, self._operation, self.names))

    def operation_ended(self, event: OperationEnded) -> Ended:
        """What the host says is the end, unless it was told to stop."""
        return ended(event.outcome, event.outputs, self.stopping)

    def suspend(self) -> None:
        """Stop the process group in place."""
        self.desk.order(SuspendOperation(self.ref, self.iteration))

    def resume(self) -> None:
        """Let the process group go on."""
        self.desk.order(ContinueOperation(self.ref, self.iteration))

    def halt(self, reason: StopReason) -> None:
        """Kill it; the answer follows."""
        self.desk.order(StopOperation(self.ref, self.iteration, reason))


class Waiting(Work):
    """A delay: a timer and nothing else, so it needs no host and stands still in pause."""

    def __init__(self, tools: Tools, call: Call, delay: Delay) -> None:
        super().__init__(tools, call)
        self._delay = delay

    def begin(self) -> Ended | None:
        """Set the timer; nothing to wait for is over at once."""
        if self._delay.duration <= 0:
            return Ended(StepStatus.PASSED)
        self.timers.start(Purpose.DELAY, self.ref, self._delay.duration)
        return None

    def timer_fired(self, timer: Timer) -> Ended | None:
        """The time has passed."""
        return Ended(StepStatus.PASSED) if timer.purpose is Purpose.DELAY else None
