"""Where the steps of an execution stand: its plan, and what the journal says of them, folded. Pure.

Called by services.queries. Knows nothing of the store; entries come decoded and in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from workflow.entries import Structural
from workflow.identifiers import Instant, StepRef
from workflow.journal import StepFinished, StepOutput, StepPaused, StepResumed, StepStarted
from workflow.plan.describe import KINDS
from workflow.plan.nodes import Plan, walk
from workflow.states import ExecutionState, StepStatus
from workflow.views import StepView, milliseconds, moment


def skeleton(plan: Plan) -> tuple[StepView, ...]:
    """The plan's steps before anything happened."""
    return tuple(
        StepView(
            ref=step.ref,
            id=step.id,
            name=step.name,
            kind=KINDS[type(step.body)],
            hidden=step.hidden,
            optional=step.optional,
            negative=step.negative,
        )
        for step in walk(plan.steps)
    )


class Account:
    """One step as the journal tells of it."""

    __slots__ = ("exit_code", "finished_at", "iteration", "outputs", "reason", "started_at", "status")

    def __init__(self) -> None:
        self.status = StepStatus.QUEUED
        self.iteration = 0
        self.started_at: Instant | None = None
        self.finished_at: Instant | None = None
        self.exit_code: int | None = None
        self.reason = ""
        self.outputs: dict[str, str] = {}

    def apply(self, entry: Structural) -> None:
        """One more entry of this step."""
        match entry:
            case StepStarted():
                self.status, self.iteration = StepStatus.RUNNING, entry.iteration
                self.started_at = self.started_at or entry.at
                self.finished_at, self.exit_code, self.reason = None, None, ""
            case StepPaused():
                self.status = StepStatus.PAUSED
            case StepResumed():
                self.status = StepStatus.RUNNING if self.started_at is not None else StepStatus.QUEUED
            case StepFinished():
                self.status, self.finished_at = entry.status, entry.at
                self.exit_code, self.reason = entry.exit_code, entry.reason
            case StepOutput():
                self.outputs[entry.key] = entry.value
            case _:
                pass


def folded(steps: tuple[StepView, ...], entries: Iterable[Structural], state: ExecutionState) -> tuple[StepView, ...]:
    """The steps after these entries of one attempt. What an execution that is over left open is closed as it ended."""
    accounts: dict[StepRef, Account] = {}
    for entry in entries:
        ref: StepRef | None = getattr(entry, "ref", None)
        if ref is not None:
            accounts.setdefault(ref, Account()).apply(entry)
    return tuple(_after(step, accounts, state) for step in steps)


_LEFT_OPEN: Mapping[ExecutionState, StepStatus] = {
    ExecutionState.ABORTED: StepStatus.ABORTED,
    ExecutionState.CANCELED: StepStatus.CANCELED,
    ExecutionState.FAILED: StepStatus.ABORTED,
    ExecutionState.PASSED: StepStatus.SKIPPED,
}


def _after(step: StepView, accounts: dict[StepRef, Account], state: ExecutionState) -> StepView:
    account = accounts.get(StepRef(step.ref))
    if account is None:
        return step if not state.final else step.model_copy(update={"status": StepStatus.SKIPPED})
    status = account.status
    if state.final and not status.final:
        status = _LEFT_OPEN[state]
    return step.model_copy(
        update={
            "status": status,
            "iteration": account.iteration,
            "started_at": moment(account.started_at),
            "finished_at": moment(account.finished_at),
            "duration_ms": milliseconds(account.started_at, account.finished_at),
            "exit_code": account.exit_code,
            "reason": account.reason,
            "outputs": account.outputs,
        }
    )
