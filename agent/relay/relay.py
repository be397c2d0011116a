"""The session with the control plane: who we are, what is assigned, what is held, what ended.

Run by agent.assembly. It must not know gRPC or how conductors are started. It keeps nothing that must survive: at its
start the executor tells what there is, and the control plane tells what of that is still wanted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, assert_never

from agent.ports.control import Control, Session
from agent.ports.executor import CannotLaunch, ConductorGone, Executor
from agent.relay.carrier import Carrier, End, Finished, Lost, Superseded, telling
from agent.relay.patience import Patience, wanted
from workflow.identifiers import Attempt, Instant
from workflow.journal import Record, StepStarted
from workflow.session import (
    NOTICED,
    Accept,
    AgentSays,
    Assign,
    AttemptLost,
    ChildAddress,
    ControlSays,
    Decline,
    Drain,
    Draining,
    Fenced,
    Heartbeat,
    Hello,
    LeaseRenewed,
    LinkDown,
    Noticed,
    Refused,
    Taking,
    Undrain,
    Welcome,
    Withdraw,
)

log = logging.getLogger("muster.relay")

MOST_HELD: Final = 10_000
"""Attempts that an agent holds at the most, working or not. ``max_concurrent`` is counted by the control plane, which
knows who waits for its children and lends its slot (docs/adr/0008-slots.md): were it enforced here, one slot would be
a deadlock."""
SHORT: Final = 5.0
"""Seconds below which a session was no real one, so that the next is waited for."""


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """What the assembly decides."""

    max_concurrent: int
    version: str
    sweep: float = 40.0
    """Seconds between two looks at what is left of attempts that are not held any more."""


@dataclass(slots=True)
class _Held:
    """An attempt that is here."""

    task: asyncio.Task[None] | None = None
    service: bool = False
    sought: bool = False
    """Whether its address is being found out."""
    address: ChildAddress | None = None
    lost: AttemptLost | None = None
    notes: Noticed | None = None
    told: int | None = None
    """The heartbeat before which ``lost`` was said in this session."""


class Relay:
    """One agent."""

    def __init__(
        self,
        control: Control,
        executor: Executor,
        options: RelayOptions,
        connected: Callable[[Welcome], None] = lambda _: None,
    ) -> None:
        self._control = control
        self._executor = executor
        self._options = options
        self._connected = connected
        self._held: dict[Attempt, _Held] = {}
        self._session: Session | None = None
        self._linked = asyncio.Event()
        self._beats = self._answered = 0
        self._draining = False
        executor.hear(self._noticed)
        self._ending: set[Attempt] = set()
        self._strays: dict[Attempt, int] = {}
        """Traces of attempts that are not held, and the heartbeats of this session before they were seen."""
        self._launching: dict[Attempt, bool] = {}  # and whether it was withdrawn meanwhile

    @property
    def linked(self) -> bool:
        """Whether there is a session now."""
        return self._session is not None

    @property
    def held(self) -> int:
        """How many attempts are here."""
        return len(self._held)

    async def run(self) -> None:
        """For ever. Raises Refused and Fenced, after which a person must act."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for found in await self._executor.held():
                    self._carry(found.attempt, tasks)
                await self._sessions(tasks)
        except BaseExceptionGroup as group:
            raise telling(group, Fenced, Refused) from None

    async def _sessions(self, tasks: asyncio.TaskGroup) -> None:
        """One after the other. Raises Refused and Fenced."""
        patience = Patience()
        while True:
            began = time.monotonic()
            try:
                async with self._control.session(self._hello()) as session:
                    await self._converse(session, tasks)
                log.info("the session ended; beginning another")
            except LinkDown as down:
                log.info("no session: %s", down)
            wanted()
            if time.monotonic() - began > SHORT:
                patience.reset()
            else:
                await patience.wait()

    def _hello(self) -> Hello:
        return Hello(
            agent_version=self._options.version,
            executor=self._executor.kind,
            max_concurrent=self._options.max_concurrent,
            held=tuple(self._held),
            clock=Instant(time.time_ns() // 1000),
        )

    # --- one session ----------------------------------------------------------------------------------------

    async def _converse(self, session: Session, tasks: asyncio.TaskGroup) -> None:
        for attempt in session.welcome.abandoned:
            tasks.create_task(self._end(attempt))
        self._beats = self._answered = 0
        self._draining = False  # told again where it still holds
        self._strays = {}
        self._session = session
        self._linked.set()
        self._connected(session.welcome)
        try:
            async with asyncio.TaskGroup() as beside:
                meanwhile = beside.create_task(self._beat(session)), beside.create_task(self._sweep())
                await self._said_again(session)
                async for message in session.received():
                    await self._heard(message, tasks)
                for task in meanwhile:
                    task.cancel()
        except BaseExceptionGroup as group:
            raise telling(group, Fenced, Refused, LinkDown) from None
        finally:
            self._session = None
            self._linked.clear()

    async def _said_again(self, session: Session) -> None:
        """What this session's control plane may not know."""
        for held in list(self._held.values()):
            if held.address is not None:
                await session.say(held.address)
            if held.notes is not None:
                await self._say(held.notes)
            if held.lost is not None:
                held.told = self._beats
                await session.say(held.lost)

    async def _beat(self, session: Session) -> None:
        while True:
            await asyncio.sleep(session.welcome.heartbeat_ms / 1000)
            self._beats += 1
            here = [attempt for attempt, held in self._held.items() if held.lost is None]
            await session.say(Heartbeat((*here, *self._launching)))  # launching may outlast a lease

    async def _sweep(self) -> None:
        """See what is left of attempts that are not held: a removal that failed, say."""
        while True:
            await asyncio.sleep(self._options.sweep)
            before = self._known()
            try:
                found = {each.attempt for each in await self._executor.held()}
            except OSError as problem:
                log.warning("what is left of earlier times cannot be seen: %s", problem)
                continue
            self._strays = dict.fromkeys(found - before - self._known(), self._beats)

    def _swept(self, tasks: asyncio.TaskGroup) -> None:
        """Remove what was seen so before a heartbeat that is answered now: then the session is still this agent's, and
        what it saw is no newer agent's of the same identity."""
        for attempt in [one for one, beats in self._strays.items() if beats < self._answered]:
            del self._strays[attempt]
            if attempt not in self._known():
                log.warning("what is left of %s is removed: nobody holds it", attempt)
                tasks.create_task(self._end(attempt))

    def _known(self) -> set[Attempt]:
        return {*self._held, *self._launching, *self._ending}

    async def _heard(self, message: ControlSays, tasks: asyncio.TaskGroup) -> None:
        match message:
            case Assign():
                await self._assigned(message, tasks)
            case Withdraw(attempt, reason):
                log.info("%s is withdrawn: %s", attempt, reason)
                tasks.create_task(self._end(attempt))
            case LeaseRenewed():
                self._answered += 1
                for attempt in [a for a, held in self._held.items() if held.told is not None]:
                    told = self._held[attempt].told
                    if told is not None and told < self._answered:
                        tasks.create_task(self._end(attempt))
                self._swept(tasks)
            case Drain():
                self._draining = True
                await self._say(Draining())
            case Undrain():
                self._draining = False
                await self._say(Taking())
            case _:
                assert_never(message)

    async def _noticed(self, attempt: Attempt, notes: tuple[str, ...]) -> None:
        held = self._held.get(attempt)
        if held is not None:
            held.notes = Noticed(attempt, notes)
            await self._say(held.notes)

    async def _say(self, message: AgentSays) -> None:
        """Say it if there is a session. Who must know it later is told when the next begins."""
        if isinstance(message, Noticed) and (self._session is None or self._session.welcome.protocol < NOTICED):
            return  # an older control plane would not understand
        if self._session is not None:
            try:
                await self._session.say(message)
            except LinkDown:
                return

    # --- attempts -------------------------------------------------------------------------------------------

    async def _assigned(self, assign: Assign, tasks: asyncio.TaskGroup) -> None:
        attempt = assign.bundle.attempt
        if attempt in self._held:
            await self._say(Accept(attempt))
        elif attempt in self._launching:
            return
        elif self._draining and not self._held:  # what it holds may need its workers and services
            await self._say(Decline(attempt, "this agent is draining"))
        elif len(self._held) + len(self._launching) >= MOST_HELD:  # slots are counted by who knows which of them work
            await self._say(Decline(attempt, f"this agent holds {MOST_HELD} attempts"))
        else:
            self._launching[attempt] = False
            tasks.create_task(self._launch(assign, tasks))

    async def _launch(self, assign: Assign, tasks: asyncio.TaskGroup) -> None:
        attempt = assign.bundle.attempt
        try:
            await self._executor.launch(assign)
        except CannotLaunch as refusal:
            await self._say(Decline(attempt, refusal.reason, refusal.final))
            return
        except Exception as bug:  # one workflow that we cannot cope with must not end what all others have here
            log.exception("%s cannot be launched", attempt)
            words = f"this agent cannot launch it, which is a bug in Muster: {type(bug).__name__}: {bug}"
            await self._say(Decline(attempt, words[:500], final=True))
            return
        finally:
            withdrawn = self._launching.pop(attempt)
        if withdrawn:
            await self._executor.remove(attempt)
            return
        self._carry(attempt, tasks, service=assign.service)
        await self._say(Accept(attempt))

    def _carry(self, attempt: Attempt, tasks: asyncio.TaskGroup, *, service: bool = False) -> None:
        held = self._held[attempt] = _Held(service=service)
        held.task = tasks.create_task(self._carried(attempt, held, tasks))

    async def _carried(self, attempt: Attempt, held: _Held, tasks: asyncio.TaskGroup) -> None:
        async def saw(record: Record) -> None:
            if held.service and not held.sought and isinstance(record.entry, StepStarted):
                held.sought = True
                tasks.create_task(self._addressed(attempt, held))

        match await self._end_of(Carrier(attempt, self._control, self._executor, self._linked.wait, saw), attempt):
            case Finished():
                await self._gone(attempt)
            case Superseded(reason):
                log.info("%s is not wanted any more: %s", attempt, reason)
                await self._gone(attempt)
            case Lost(reason):
                log.warning("%s is lost: %s", attempt, reason)
                held.task = None
                held.lost, held.told = AttemptLost(attempt, reason), self._beats
                await self._say(held.lost)

    async def _end_of(self, carrier: Carrier, attempt: Attempt) -> End:
        """How carrying it ends; also where we cannot cope with it, which must not end what all others have here."""
        try:
            return await carrier.carry()
        except Exception as bug:
            log.exception("%s cannot be carried", attempt)
            return Lost(f"this agent cannot carry it, which is a bug in Muster: {type(bug).__name__}: {bug}"[:500])

    async def _addressed(self, attempt: Attempt, held: _Held) -> None:
        """Tell a service's address once it is ready."""
        with suppress(ConductorGone, ConnectionError):
            held.address = ChildAddress(attempt, await self._executor.reachable(attempt), ready=True)
            await self._say(held.address)

    async def _end(self, attempt: Attempt) -> None:
        """End an attempt and clean up after it, known or not."""
        if attempt in self._launching:
            self._launching[attempt] = True
            return
        if attempt in self._ending:
            return
        self._ending.add(attempt)
        try:
            held = self._held.get(attempt)
            if held is not None and held.task is not None:
                held.task.cancel()
                await asyncio.wait([held.task])
            await self._gone(attempt)
        finally:
            self._ending.discard(attempt)

    async def _gone(self, attempt: Attempt) -> None:
        try:
            await self._executor.remove(attempt)
        except Exception:  # what is left of it is found and removed when this agent starts again
            log.exception("%s cannot be removed", attempt)
        self._held.pop(attempt, None)
