"""The host of one execution's state machine: feeds it events, performs its commands, decides nothing.

Made by the conductor's main; told by the server what the control plane says. Every command that takes time ends by
feeding an event back. Operations run one at a time, as the machine orders them.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from agent.conductor.allowance import Allowance
from agent.conductor.clock import now
from agent.conductor.failure import Failure
from agent.conductor.notices import notices
from agent.conductor.operations.table import perform
from agent.conductor.output import Printed
from agent.conductor.stage import Stage, Surroundings
from agent.conductor.surroundings import common_environment
from agent.conductor.wanted import wanted
from agent.ports.conductor import SecretValues
from workflow.execution.events import (
    Begun,
    Broken,
    CancelTimer,
    ChildrenExpanded,
    Command,
    ContinueOperation,
    Done,
    Event,
    ExpandChildren,
    OperationEnded,
    Outcome,
    Over,
    StartOperation,
    StartTimer,
    StopOperation,
    Stopped,
    SuspendOperation,
    TimerFired,
    Told,
    UnpackFiles,
    Write,
)
from workflow.execution.machine import Machine
from workflow.expressions import ExpressionError
from workflow.identifiers import SECOND, StepRef
from workflow.journal import ChildSpec, Directive, StepFinished, Stop
from workflow.masking import Masker
from workflow.plan.nodes import PROBE, Json, Operation, Plan
from workflow.session import Bundle
from workflow.states import ExecutionState


@dataclass(slots=True)
class _Running:
    """The operation that is under way."""

    stage: Stage
    iteration: int
    task: asyncio.Task[None]
    stopped: bool = False
    working: bool = True


class Host:
    """Runs one execution."""

    def __init__(self, plan: Plan, bundle: Bundle, around: Surroundings) -> None:
        self._plan = plan
        self._bundle = bundle
        self._around = replace(around, probe=plan.annotations.get(PROBE, ""))
        self._allowance = Allowance(bundle.log_limit)
        self._dropped: Counter[StepRef] = Counter()
        self._machine = Machine.begin(plan, bundle.variables)
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._running: dict[tuple[StepRef, int], _Running] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._said = False
        self._entrusted = asyncio.Event()

    # --- what others call -----------------------------------------------------------------------------------

    def told(self, directive: Directive) -> None:
        """A directive of the control plane, or of the conductor itself."""
        self._events.put_nowait(Told(now(), directive))

    def entrusted(self, values: SecretValues) -> None:
        """The values of the secrets that the plan names."""
        self._around = replace(self._around, values=dict(values.values))
        self._entrusted.set()

    async def run(self) -> None:
        """From the leave to begin to the last entry."""
        async with asyncio.TaskGroup() as tasks:
            self._spawn(tasks, self._begin())
            while not self._machine.over:
                event = await self._events.get()
                for command in self._machine.after(event):
                    await self._perform(command, tasks)
            for timer in self._timers.values():
                timer.cancel()
            for task in self._tasks:
                task.cancel()

    def _spawn(self, tasks: asyncio.TaskGroup, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """A task that ends with the execution at the latest."""
        task = tasks.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _begin(self) -> None:
        """Begin once AttemptStarted is durable and all is here that the steps need."""
        await self._around.journal.settled(1)
        if wanted(self._bundle.plan):
            await self._entrusted.wait()
        stage = self._stage(StepRef("1"), {})
        self._around = replace(self._around, common=common_environment(stage, self._plan.container))
        try:
            await self._received(stage, self._bundle.transfers)
        except (Failure, OSError) as problem:
            words = f"files of the parent could not be had: {self._sentence(problem)}"
            self._events.put_nowait(Told(now(), Stop(ExecutionState.ABORTED, words)))
            return
        secrets = {name: value for name, value in self._around.values.items() if name.startswith("secret/")}
        self._events.put_nowait(Begun(now(), self._around.common, secrets))

    # --- commands -------------------------------------------------------------------------------------------

    async def _perform(self, command: Command, tasks: asyncio.TaskGroup) -> None:
        match command:
            case Write(StepFinished() as entry):
                await self._around.journal.write(replace(entry, dropped=self._dropped[entry.ref]))
            case Write(entry):
                await self._around.journal.write(entry)
            case StartOperation(ref, iteration, operation, names):
                stage = self._stage(ref, names)
                task = self._spawn(tasks, self._operate(stage, iteration, operation))
                self._running[ref, iteration] = _Running(stage, iteration, task)
            case StopOperation(ref, iteration):
                self._stop(ref, iteration)
            case SuspendOperation(ref, iteration):
                if running := self._running.get((ref, iteration)):
                    running.stage.suspended.set()
                self._around.place.signal(signal.SIGSTOP)
            case ContinueOperation(ref, iteration):
                if running := self._running.get((ref, iteration)):
                    running.stage.suspended.clear()
                self._around.place.signal(signal.SIGCONT)
            case ExpandChildren():
                self._spawn(tasks, self._expand(self._stage(command.ref, command.names), command))
            case UnpackFiles(ref, iteration):
                stage = self._stage(ref, {})
                task = self._spawn(tasks, self._unpack(stage, command))
                self._running[ref, iteration] = _Running(stage, iteration, task)
            case StartTimer(timer, after):
                self._set(timer, after)
            case CancelTimer(timer):
                if handle := self._timers.pop(timer, None):
                    handle.cancel()
            case Over():
                return
            case _:
                assert_never(command)

    def _stage(self, ref: StepRef, names: Mapping[str, Json]) -> Stage:
        around = self._around
        printed = Printed(around.journal, ref, around.secrets, self._allowance.share(), around.tokens)
        return Stage(self._around, ref, names, printed)

    def _set(self, timer: str, after: int) -> None:
        def fire() -> None:
            self._timers.pop(timer, None)
            self._events.put_nowait(TimerFired(now(), timer))

        if handle := self._timers.pop(timer, None):
            handle.cancel()
        self._timers[timer] = asyncio.get_running_loop().call_later(max(0, after) / SECOND, fire)

    def _stop(self, ref: StepRef, iteration: int) -> None:
        if running := self._running.get((ref, iteration)):
            running.stopped = True
            running.stage.stopped.set()
            if running.working:
                running.task.cancel()

    # --- operations -----------------------------------------------------------------------------------------

    async def _operate(self, stage: Stage, iteration: int, operation: Operation) -> None:
        async def work() -> tuple[Outcome, Mapping[str, str]]:
            if not self._said:
                self._said = True
                for notice in notices(self._plan, self._around.place):
                    await stage.printed.say(notice)
            return await perform(stage, operation)

        await self._answered(stage, iteration, work)

    async def _received(self, stage: Stage, transfers: Sequence[tuple[str, str]]) -> None:
        """Files of a parent or a worker. Raises ``Failure``, OSError."""
        if transfers:
            from agent.conductor.operations.transfers import receive

            await receive(stage, transfers)

    async def _unpack(self, stage: Stage, command: UnpackFiles) -> None:
        async def work() -> tuple[Outcome, Mapping[str, str]]:
            await self._received(stage, command.transfers)
            return Done(), {}

        await self._answered(stage, command.iteration, work)

    async def _expand(self, stage: Stage, command: ExpandChildren) -> None:
        from agent.conductor.operations.children import expanded  # few plans have any

        children: tuple[ChildSpec, ...] = ()
        problem = ""
        try:
            children = await expanded(stage, command.operation)
        except (Failure, ExpressionError, OSError) as failed:
            problem = self._sentence(failed)
        self._dropped[stage.ref] += await stage.printed.finish()
        self._events.put_nowait(ChildrenExpanded(now(), command.ref, command.iteration, children, problem))

    async def _answered(
        self, stage: Stage, iteration: int, work: Callable[[], Awaitable[tuple[Outcome, Mapping[str, str]]]]
    ) -> None:
        """Do the work, and feed how it ended, whatever happens."""
        outcome: Outcome
        outputs: Mapping[str, str] = {}
        try:
            outcome, outputs = await work()
        except (Failure, ExpressionError, OSError) as problem:
            outcome = Broken(self._sentence(problem))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not self._was_stopped(stage.ref, iteration):
                raise
            task.uncancel()
            outcome = Stopped()
        await self._ended(stage, iteration, outcome, outputs)

    async def _ended(self, stage: Stage, iteration: int, outcome: Outcome, outputs: Mapping[str, str]) -> None:
        self._running[stage.ref, iteration].working = False  # from here on there is nothing to stop
        self._dropped[stage.ref] += await stage.printed.finish()
        del self._running[stage.ref, iteration]
        self._events.put_nowait(OperationEnded(now(), stage.ref, iteration, outcome, outputs))

    def _was_stopped(self, ref: StepRef, iteration: int) -> bool:
        running = self._running.get((ref, iteration))
        return running is not None and running.stopped

    def _sentence(self, problem: Failure | ExpressionError | OSError) -> str:
        match problem:
            case Failure():
                words = problem.reason
            case ExpressionError():
                words = f"{problem} in {problem.source[:200]!r}"
            case OSError():
                words = f"{problem.filename or 'a file'}: {problem.strerror or problem}"
        return Masker(self._around.secrets).whole(words.encode("utf-8", "replace")).decode("utf-8", "replace")
