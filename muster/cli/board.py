"""What a watched run looks like at this moment, and the lines that are news. Pure: events in, lines out.

Fed by muster.cli.attach with what muster.client's watch hears. Knows no terminal: a line has parts, which
muster.cli.screen shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from muster.cli.words import duration
from workflow.journal import ChildKind, Stream
from workflow.views import (
    ExecutionChanged,
    ExecutionView,
    LogPrinted,
    LogView,
    RunChanged,
    RunEnded,
    RunView,
    StepChanged,
    StepView,
    WatchEvent,
)

_AT_STEP = re.compile(r"step ([0-9.]+)\b")
MAX_LINE = 16 * 1024
"""Characters of one shown line; a longer one is broken."""


class LineKind(StrEnum):
    """What a line tells."""

    STATE = "state"  # an execution's state changed
    STEP = "step"  # a step ended
    LOG = "log"  # a step printed


@dataclass(frozen=True, slots=True)
class Line:
    """One line of news. ``where`` is the environment (or agent), ``what`` the step or workflow."""

    kind: LineKind
    where: str
    what: str
    text: str
    status: str = ""
    stream: Stream = Stream.STDOUT


@dataclass
class Board:
    """A run as far as it is known."""

    run: RunView | None = None
    executions: dict[str, ExecutionView] = field(default_factory=dict)
    _steps: dict[tuple[str, str], StepView] = field(default_factory=dict)
    _rests: dict[tuple[str, str, Stream], str] = field(default_factory=dict)

    def hear(self, event: WatchEvent) -> Iterator[Line]:
        """Take the event in; the lines that it makes."""
        match event:
            case RunChanged(run=run) | RunEnded(run=run):
                self.run = run
                if isinstance(event, RunEnded):
                    yield from self._flush(None)
            case ExecutionChanged(execution=execution):
                yield from self._execution(execution)
            case StepChanged(execution=execution_id, step=step):
                yield from self._step(execution_id, step)
            case LogPrinted(log=log):
                yield from self._log(log)

    def current(self, execution: str) -> StepView | None:
        """The step that runs there now: the deepest one."""
        running = [
            step
            for (owner, _), step in self._steps.items()
            if owner == execution and step.status in ("running", "paused")
        ]
        return max(running, key=lambda step: step.depth, default=None)

    def _execution(self, execution: ExecutionView) -> Iterator[Line]:
        before = self.executions.get(execution.id)
        self.executions[execution.id] = execution
        for step in execution.steps:
            yield from self._step(execution.id, step)
        if before is not None and (before.state, before.reason) == (execution.state, execution.reason):
            return
        if execution.state.final:
            yield from self._flush(execution.id)
        if before is None and execution.state == "queued" and not execution.reason:
            return
        if execution.state == "assigned":
            return
        taken = f" ({duration(execution.duration_ms)})" if execution.state.final and execution.duration_ms else ""
        told = execution.state == "running" and execution.agent and not _is_worker(execution)
        place = f" on {execution.agent}" if told else ""
        yield Line(
            LineKind.STATE,
            self.where(execution),
            self.title(execution),
            f"{execution.state}{place}{taken}{self._because(execution)}",
            execution.state,
        )

    def _step(self, execution_id: str, step: StepView) -> Iterator[Line]:
        key = (execution_id, step.ref)
        before = self._steps.get(key)
        self._steps[key] = step
        if not step.status.final or (before is not None and before.status.final):
            return
        yield from self._flush(execution_id, step.ref)
        if self._told_otherwise(execution_id, step):
            return
        code = f"exit code {step.exit_code}" if step.exit_code and str(step.exit_code) not in step.reason else ""
        details = [part for part in (duration(step.duration_ms), code, step.reason) if part]
        tail = f" ({', '.join(details)})" if details else ""
        optional = " (optional)" if step.optional and not step.status.good else ""
        what = self._label(execution_id, step)
        yield Line(LineKind.STEP, self._where(execution_id), what, f"{step.status}{tail}{optional}", step.status)

    def _log(self, log: LogView) -> Iterator[Line]:
        key = (log.execution, log.ref, log.stream)
        *whole, rest = (self._rests.pop(key, "") + log.text).split("\n")
        while len(rest) > MAX_LINE:
            whole.append(rest[:MAX_LINE])
            rest = rest[MAX_LINE:]
        if rest:
            self._rests[key] = rest
        for text in whole:
            yield self._line(key, text)

    def _flush(self, execution: str | None, ref: str | None = None) -> Iterator[Line]:
        for key in [key for key in self._rests if execution in (None, key[0]) and ref in (None, key[1])]:
            yield self._line(key, self._rests.pop(key))

    def _line(self, key: tuple[str, str, Stream], text: str) -> Line:
        execution, ref, stream = key
        step = self._visible(execution, ref)
        what = self._label(execution, step) if step else ref
        return Line(LineKind.LOG, self._where(execution), what, text.rstrip("\r"), stream=stream)

    def _visible(self, execution: str, ref: str) -> StepView | None:
        """The step that the user wrote: the operation itself, or the step around it."""
        step = self._steps.get((execution, ref))
        if step is not None and step.hidden and "." in ref:
            return self._visible(execution, ref.rpartition(".")[0]) or step
        return step

    def _told_otherwise(self, execution: str, step: StepView) -> bool:
        """Whether its end is that of the step around it, or of its worker, or nobody's matter."""
        if step.hidden and (step.status.good or self._visible(execution, step.ref) is not step):
            return True
        owner = self.executions.get(execution)
        return owner is not None and _is_worker(owner) and not step.id

    def _label(self, execution: str, step: StepView) -> str:
        """A step's name in a line. A worker's step without a name of its own is called as the worker is."""
        owner = self.executions.get(execution)
        if owner is None or not _is_worker(owner):
            return step.title
        if not step.id:
            return self.title(owner)
        return f"{owner.description} / {step.title}" if owner.description else step.title

    def _because(self, execution: ExecutionView) -> str:
        """Why it stands so, as far as no line above has said it."""
        found = _AT_STEP.match(execution.reason) if execution.state.final else None
        step = self._steps.get((execution.id, found[1])) if found else None
        if step is not None and step.status.final and not self._told_otherwise(execution.id, step):
            return f" at {step.title}"
        return f": {execution.reason}" if execution.reason else ""

    def _where(self, execution_id: str) -> str:
        execution = self.executions.get(execution_id)
        return self.where(execution) if execution else ""

    def where(self, execution: ExecutionView) -> str:
        """The environment, else the agent; a worker's number behind it."""
        number = f"[{execution.place.index}]" if execution.place and _is_worker(execution) else ""
        if execution.orchestrated:
            return "all"
        return f"{execution.where or '-'}{number}"

    def title(self, execution: ExecutionView) -> str:
        """What an execution is called in a line: what its workflow says, else the step that it works for, else its
        workflow."""
        place = execution.place
        step = self._steps.get((place.parent, place.ref)) if place and _is_worker(execution) else None
        return execution.description or (step.title if step else "") or execution.workflow

    def rest(self) -> Iterator[Line]:
        """The lines that are not complete, at the end."""
        yield from self._flush(None)


def _is_worker(execution: ExecutionView) -> bool:
    return execution.place is not None and execution.place.kind is not ChildKind.WORKFLOW
