"""How the end of an operation becomes a step's status, and the statuses of steps that of their group. Tables and
truth alone.

Used by the state machine; the same words are shown to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from workflow.execution.events import Broken, Done, Exited, Killed, Outcome, Stopped, StopReason
from workflow.states import ExecutionState, StepStatus

STOPPED_AS: Mapping[StopReason, StepStatus] = {
    StopReason.TIMEOUT: StepStatus.TIMEOUT,
    StopReason.CANCELED: StepStatus.CANCELED,
    StopReason.ABORTED: StepStatus.ABORTED,
}
ENDED_AS: Mapping[ExecutionState, StopReason] = {
    ExecutionState.CANCELED: StopReason.CANCELED,
    ExecutionState.ABORTED: StopReason.ABORTED,
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How one attempt of an operation ended. ``by_itself`` says that it was neither stopped nor killed: only then
    can ``negative`` turn it round."""

    status: StepStatus
    reason: str = ""
    exit_code: int | None = None
    by_itself: bool = True
    outputs: Mapping[str, str] = field(default_factory=dict)


def ended(outcome: Outcome, outputs: Mapping[str, str], stopping: StopReason | None) -> Ended:
    """The end of an operation that answered with ``outcome``; ``stopping`` says that we had asked it to stop, and
    why.

    Who was told to stop has not ended by itself, whatever the answer is: it may have crossed the order on its way.
    """
    if stopping is not None:
        return Ended(STOPPED_AS[stopping], stopped_words(stopping), by_itself=False, outputs=outputs)
    match outcome:
        case Done():
            return Ended(StepStatus.PASSED, outputs=outputs)
        case Exited(code=0):
            return Ended(StepStatus.PASSED, exit_code=0, outputs=outputs)
        case Exited(code=code):
            return Ended(StepStatus.FAILED, f"exit code {code}", code, outputs=outputs)
        case Broken(reason=reason):
            return Ended(StepStatus.FAILED, reason, outputs=outputs)
        case Killed(signal=signal, reason=reason):
            words = f"ended from outside by signal {signal}" + (f": {reason}" if reason else "")
            return Ended(StepStatus.FAILED, words, 128 + signal, by_itself=False, outputs=outputs)
        case Stopped():
            return Ended(StepStatus.FAILED, "stopped, though nobody asked for it", by_itself=False, outputs=outputs)
        case _:
            assert_never(outcome)


def stopped_words(stopping: StopReason) -> str:
    """Why a step was stopped, for people."""
    match stopping:
        case StopReason.TIMEOUT:
            return "took longer than its time-out"
        case StopReason.CANCELED:
            return "the execution was canceled"
        case StopReason.ABORTED:
            return "the execution was aborted"
        case _:
            assert_never(stopping)


def step_status(end: Ended, *, negative: bool) -> StepStatus:
    """The status of an operation's step. Negative turns success and failure round, and leaves time-outs, kills and
    stops alone."""
    if not negative or not end.by_itself:
        return end.status
    return StepStatus.FAILED if end.status is StepStatus.PASSED else StepStatus.PASSED


def group_status(*, all_good: bool, negative: bool) -> StepStatus:
    """The status of a group that came to its end; ``all_good`` is the AND of its non-optional children (True where
    there are none)."""
    return StepStatus.PASSED if all_good is not negative else StepStatus.FAILED
