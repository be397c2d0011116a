"""What the machine asks of the one operation that is under way, whatever its kind.

Implemented by operations, crowd and services; driven by machine. Every method may answer with the end of the operation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from workflow.execution.algebra import STOPPED_AS, Ended, stopped_words
from workflow.execution.broods import Broods
from workflow.execution.desk import Desk
from workflow.execution.events import ChildrenExpanded, OperationEnded, StopReason
from workflow.execution.timers import Timer, Timers
from workflow.identifiers import StepRef
from workflow.plan.nodes import Json


@dataclass(frozen=True, slots=True)
class Tools:
    """What the parts of the machine share."""

    desk: Desk
    timers: Timers
    broods: Broods


@dataclass(frozen=True, slots=True)
class Call:
    """Which attempt of which step this is, and the names that its texts may use."""

    ref: StepRef
    iteration: int
    names: Mapping[str, Json]


class Work(ABC):
    """One attempt of one operation. The base ignores everything; a kind answers what concerns it."""

    def __init__(self, tools: Tools, call: Call) -> None:
        self.desk = tools.desk
        self.timers = tools.timers
        self.broods = tools.broods
        self.ref = call.ref
        self.iteration = call.iteration
        self.names = call.names
        self.stopping: StopReason | None = None

    @abstractmethod
    def begin(self) -> Ended | None:
        """Start it."""

    def operation_ended(self, event: OperationEnded) -> Ended | None:
        """The host answered StartOperation or UnpackFiles of this step and iteration."""
        return None

    def expanded(self, event: ChildrenExpanded) -> Ended | None:
        """The host answered ExpandChildren of this step and iteration."""
        return None

    def child_changed(self, index: int) -> Ended | None:
        """A child of this step, of this iteration or an earlier one, is in another state now."""
        return None

    def timer_fired(self, timer: Timer) -> Ended | None:
        """A timer that this operation set has fired."""
        return None

    def suspend(self) -> None:  # noqa: B027 - most operations have nothing that could stand still
        """Stand still."""

    def resume(self) -> Ended | None:
        """Go on."""
        return None

    def stop(self, reason: StopReason) -> Ended | None:
        """Come to an end as soon as can be. Asked again with another reason, the last one counts."""
        first, self.stopping = self.stopping is None, reason
        return self.halt(reason) if first else None

    def halt(self, reason: StopReason) -> Ended | None:
        """The first ``stop``. The base has nothing under way and ends at once."""
        return stopped(reason)


def stopped(reason: StopReason) -> Ended:
    """The end of what was stopped."""
    return Ended(STOPPED_AS[reason], stopped_words(reason), by_itself=False)
