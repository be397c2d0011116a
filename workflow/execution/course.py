"""The way through the steps: which comes next, whether it runs, what its end means for those around it.

Driven by machine. Steps run strictly one after the other. So all there is to know is the stack of open groups
(frames), the one operation under way (active) or the one step that waits to be resumed (hold).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workflow.execution import conditions
from workflow.execution.algebra import ENDED_AS, STOPPED_AS, Ended, group_status, step_status, stopped_words
from workflow.execution.events import Over, StopReason
from workflow.execution.frames import Frame, tidies_up
from workflow.execution.scope import Scope
from workflow.execution.services import release, results
from workflow.execution.timers import Purpose
from workflow.execution.words import called, skipped
from workflow.execution.work import Call, Tools, Work
from workflow.execution.works import work_for
from workflow.identifiers import StepRef
from workflow.journal import (
    AttemptFinished,
    StepFinished,
    StepOutput,
    StepPaused,
    StepResumed,
    StepStarted,
    Stop,
)
from workflow.plan.nodes import Group, Run, StartServices, Step
from workflow.states import ExecutionState, StepStatus


@dataclass(frozen=True, slots=True)
class Active:
    """The step whose operation is under way; ``status`` is how all stood before it."""

    step: Step
    iteration: int
    work: Work
    status: StepStatus


@dataclass(frozen=True, slots=True)
class Hold:
    """The step that waits to be resumed before this iteration of it begins."""

    step: Step
    iteration: int
    status: StepStatus


class Course:
    """Where the execution stands, and every move from there."""

    def __init__(self, steps: tuple[Step, ...], tools: Tools, scope: Scope) -> None:
        self._desk = tools.desk
        self._timers = tools.timers
        self._tools = tools
        self._scope = scope
        self._frames = [Frame(None, steps)]
        self._active: Active | None = None
        self._hold: Hold | None = None
        self._paused = False
        self.ending: Stop | None = None
        self.over = False

    def work_of(self, ref: StepRef, iteration: int | None = None) -> Work | None:
        """The operation under way, when it is this step's (and of this iteration)."""
        active = self._active
        if active is None or active.step.ref != ref or iteration not in {None, active.iteration}:
            return None
        return active.work

    # --- from outside -------------------------------------------------------------------------------------------------

    def end(self, stop: Stop) -> None:
        """Bring the whole execution to an end; the first reason counts."""
        if self.ending is not None:
            return
        self.ending = stop
        self._paused = False
        if self._hold is not None:
            hold, self._hold = self._hold, None
            self._finish(hold.step, STOPPED_AS[self._stop_reason], stop.reason)
        self.stop_work(self._stop_reason)

    def expire(self, ref: StepRef) -> None:
        """The time-out of the open group ``ref`` was hit: it ends, and all in it."""
        inside = False
        for frame in self._frames:
            inside = inside or (frame.step is not None and frame.step.ref == ref)
            frame.expired = frame.expired or inside
        self.stop_work(StopReason.TIMEOUT)

    def stop_work(self, reason: StopReason) -> None:
        """Stop the operation under way, if there is one."""
        if self._active is not None:
            self.settle(self._active.work.stop(reason))

    def pause(self) -> None:
        """Suspend what is under way, and start nothing more."""
        if self._paused or self.ending is not None:
            return
        self._paused = True
        self._timers.suspend()
        if self._active is not None and self._active.work.stopping is None:
            self._active.work.suspend()
            self._desk.write(StepPaused(self._desk.now, self._active.step.ref))

    def resume(self) -> None:
        """Go on, after ``pause`` and at a step that waits."""
        if self.ending is not None or not (self._paused or self._hold):
            return
        self._paused = False
        self._timers.resume()
        if self._hold is not None:
            hold, self._hold = self._hold, None
            self._desk.write(StepResumed(self._desk.now, hold.step.ref))
            self._start(hold.step, hold.iteration, hold.status)
        elif self._active is not None and self._active.work.stopping is None:
            self._desk.write(StepResumed(self._desk.now, self._active.step.ref))
            self.settle(self._active.work.resume())

    # --- going forward ------------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Go on until something is under way, something is waited for, or all is over."""
        while not self.over and self._active is None and self._hold is None:
            frame = self._frames[-1]
            if frame.next < len(frame.steps):
                frame.next += 1
                self._consider(frame.steps[frame.next - 1], frame)
            else:
                self._close()

    def settle(self, end: Ended | None) -> None:
        """Take the end of the operation under way, when it has come: its outputs, then another run or the step's
        end."""
        if end is None or self._active is None:
            return
        active, self._active = self._active, None
        step = active.step
        self._timers.cancel(step.ref)
        self._leave(active, end)
        if self.ending is not None:
            self._finish(step, STOPPED_AS[self._stop_reason], self.ending.reason, end.exit_code)
            return
        status, reason = step_status(end, negative=step.negative), end.reason
        try:
            again = self._wants_more(active, status)
        except conditions.Unanswerable as problem:
            again, status, reason = False, StepStatus.FAILED, f"its retry.until cannot be answered: {problem}"
        if not again:
            self._finish(step, status, reason, end.exit_code)
        elif self._paused:
            self._wait(step, active.iteration + 1, active.status)
        else:
            self._start(step, active.iteration + 1, active.status)

    def _consider(self, step: Step, frame: Frame) -> None:
        """Skip the step, hold it, or start it."""
        if self.ending is not None:
            self._skip(step, f"not run: {stopped_words(self._stop_reason)}")
            return
        if frame.expired and not tidies_up(step):
            self._skip(step, "not run: the time-out of its group was hit")
            return
        status = frame.status
        try:
            runs = self._holds(step, step.condition, status, lambda: self._scope.names(step, status))
        except conditions.Unanswerable as problem:
            self._desk.write(StepStarted(self._desk.now, step.ref))
            self._finish(step, StepStatus.FAILED, f"its condition cannot be answered: {problem}")
            return
        if not runs:
            self._skip(step, skipped(step.condition))
        elif step.paused or self._paused:
            self._wait(step, 0, status)
        else:
            self._start(step, 0, status)

    def _wait(self, step: Step, iteration: int, status: StepStatus) -> None:
        self._hold = Hold(step, iteration, status)
        self._timers.suspend()
        self._desk.write(StepPaused(self._desk.now, step.ref))

    def _start(self, step: Step, iteration: int, status: StepStatus) -> None:
        self._desk.write(StepStarted(self._desk.now, step.ref, iteration))
        body = step.body
        if isinstance(body, Group):
            self._open(step, body, status)
            return
        if step.timeout is not None:
            self._timers.start(Purpose.STEP, step.ref, step.timeout)
        work = work_for(body, self._tools, Call(step.ref, iteration, self._scope.names(step, status)))
        self._active = Active(step, iteration, work, status)
        self.settle(work.begin())

    def _open(self, step: Step, group: Group, status: StepStatus) -> None:
        around = self._frames[-1]
        frame = Frame(step, group.steps, self._owner(step), status is StepStatus.PASSED, expired=around.expired)
        self._frames.append(frame)
        if step.timeout is not None:
            self._timers.start(Purpose.GROUP, step.ref, step.timeout)

    def _leave(self, active: Active, end: Ended) -> None:
        """Keep what the attempt left: its outputs, its services."""
        step = active.step
        if isinstance(step.body, StartServices):
            self._frames[-1].services.append(step.ref)
            self._scope.serve(results(self._tools.broods.of(step.ref), step.body))
        for key, value in self._scope.leave(step.ref, self._owner(step), end.outputs).items():
            self._desk.write(StepOutput(self._desk.now, step.ref, key, value))

    def _wants_more(self, active: Active, status: StepStatus) -> bool:
        retry = active.step.retry
        if retry is None or active.iteration >= retry.count or self._frames[-1].expired:
            return False
        step = active.step
        return not self._holds(step, retry.until, status, lambda: self._scope.afterwards(step, status))

    def _holds(self, step: Step, condition: str, status: StepStatus, names: conditions.Names) -> bool:
        return conditions.holds(condition, status, names, self._env_of(step), self._scope.secrets)

    # --- ends ---------------------------------------------------------------------------------------------------------

    def _finish(self, step: Step, status: StepStatus, reason: str, exit_code: int | None = None) -> None:
        """The end of an operation's step, or of a group that was never opened."""
        self._skip_children(step, "not run: its group did not begin")
        self._ended(step, status, reason, exit_code)

    def _skip(self, step: Step, reason: str) -> None:
        self._skip_children(step, reason)
        self._desk.write(StepFinished(self._desk.now, step.ref, StepStatus.SKIPPED, None, reason))

    def _skip_children(self, step: Step, reason: str) -> None:
        if isinstance(step.body, Group):
            for child in step.body.steps:
                self._skip(child, reason)

    def _ended(
        self, step: Step, status: StepStatus, reason: str, exit_code: int | None = None, blame: str = ""
    ) -> None:
        self._desk.write(StepFinished(self._desk.now, step.ref, status, exit_code, reason))
        self._frames[-1].count(step, status, blame or f"{called(step)}: {reason or status}", (reason, exit_code))

    def _close(self) -> None:
        """The end of the innermost open group: of the execution itself when it is the last."""
        frame = self._frames[-1]
        for ref in frame.services:  # where the step that stops them did not run
            release(self._tools.broods.of(ref))
        step = frame.step
        if step is None:
            self._complete(frame)
            return
        self._frames.pop()
        self._timers.cancel(step.ref)
        if self.ending is not None:
            self._ended(step, STOPPED_AS[self._stop_reason], self.ending.reason)
        elif frame.expired:
            self._ended(step, StepStatus.TIMEOUT, stopped_words(StopReason.TIMEOUT))
        else:
            status = group_status(all_good=frame.good, negative=step.negative)
            if frame.told[0] and not step.negative:
                self._ended(step, status, *frame.told)
            else:
                self._ended(step, status, "", blame=frame.blame if not step.negative else "")

    def _complete(self, frame: Frame) -> None:
        if self.ending is not None:
            state, reason = self.ending.state, self.ending.reason
        elif frame.good:
            state, reason = ExecutionState.PASSED, ""
        else:
            state, reason = ExecutionState.FAILED, frame.blame
        self._timers.cancel_all()
        self._desk.write(AttemptFinished(self._desk.now, state, reason))
        self._desk.order(Over(state, reason))
        self.over = True

    # --- small questions ----------------------------------------------------------------------------------------------

    @property
    def _stop_reason(self) -> StopReason:
        assert self.ending is not None
        return ENDED_AS.get(self.ending.state, StopReason.ABORTED)

    def _owner(self, step: Step) -> str:
        """The id under which the step's outputs are known: its own, or that of the user's step for which it was
        made."""
        return step.id or (self._frames[-1].owner if step.hidden else "")

    def _env_of(self, step: Step) -> Mapping[str, str]:
        """What ``env`` is for the step's condition: the host's, and what the step's own container says in plain
        text."""
        if not isinstance(step.body, Run) or not step.body.container.env:
            return self._scope.env
        plain = {
            var.name: var.value for var in step.body.container.env if var.value_from is None and "{{" not in var.value
        }
        return {**self._scope.env, **plain}
