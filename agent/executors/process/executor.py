"""The executor port for processes of this machine.

Made by agent.assembly. It must not know the control plane. Every method may be repeated; see agent.ports.executor.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.conductor.entrusted import ENTRUSTED, entrusted, packed
from agent.conductor.frames import decode_to, encode_to
from agent.conductor.journal import left
from agent.conductor.place import READY
from agent.conductor.terms import BUNDLE, JOURNAL, TERMS, WORKSPACE, Terms
from agent.conductor.wanted import wanted
from agent.conductor.workspace import Isolation
from agent.executors.process.conversation import SocketConversation, dial
from agent.executors.process.folders import Folders, delete, holder, noted_exit
from agent.executors.process.nursery import NotBorn, Nursery
from agent.executors.process.orphans import kill_orphans, mark
from agent.executors.process.readiness import LOOPBACK, ready
from agent.executors.process.references import resolve
from agent.executors.process.refusals import refusals
from agent.ports.conductor import SecretValues
from agent.ports.executor import CannotLaunch, ConductorGone, Conversation, Ear, Found
from protos.codec.checks import WireError
from workflow.identifiers import Attempt
from workflow.journal import Record
from workflow.plan.encode import BadPlan, from_bytes
from workflow.plan.nodes import PROBE
from workflow.session import Assign, Bundle

_DEATH = 10.0  # seconds for which a killed process is waited for
_NOTING = 10


@dataclass(frozen=True, slots=True)
class Options:
    """What the assembly decides."""

    state: Path
    """The agent's directory; attempts lie below it."""
    env: Mapping[str, str]
    """What every step has in its environment."""
    shell: tuple[str, ...]
    """The workflow shell; empty where this machine has none."""
    references: Path | None = None
    """Where secrets/NAME/KEY and configmaps/NAME/KEY lie."""
    keep: tuple[str, ...] = ()
    """Paths below /tmp or /data that steps still see."""
    isolation: Isolation | None = None
    """None: namespaces where the kernel allows them."""
    host: str = ""
    version: str = ""
    alone: int = 24 * 3600
    """Seconds for which a conductor waits for an agent."""


class ProcessExecutor:
    """Conductors as processes."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._folders = Folders(options.state / "attempts")
        self._nursery = Nursery(options.isolation)

    @property
    def kind(self) -> str:
        return "process"

    async def warm(self) -> None:
        """Prepare what the first launch would wait for. What does not work is told by the launch that needs it."""
        with suppress(NotBorn):
            await self._nursery.ready()

    async def launch(self, assign: Assign) -> None:
        self._check(assign.bundle)
        folder = self._folders.of(assign.bundle.attempt)
        if (folder / JOURNAL).exists() or holder(folder) is not None:
            return
        try:
            await self._nursery.ready()
            self._check_isolation()
            self._write(folder, assign)
            await self._nursery.launch(folder)
        except (NotBorn, OSError) as problem:
            if holder(folder) is not None:
                return  # it is there, and whoever was to say so is not
            await self.remove(assign.bundle.attempt)
            raise CannotLaunch(f"the conductor could not be started: {problem}", final=False) from None

    @asynccontextmanager
    async def connect(self, attempt: Attempt, acknowledged: int) -> AsyncIterator[Conversation]:
        folder = self._folders.of(attempt)
        conversation = await self._dialled(folder)
        try:
            await conversation.attach(attempt, acknowledged)
            names = wanted(_bundle(folder).plan)
            if names:
                await conversation.say(SecretValues(await asyncio.to_thread(self._values, folder, names)))
            yield conversation
        finally:
            conversation.close()

    async def held(self) -> tuple[Found, ...]:
        for aside in list(self._folders.half_deleted()):
            await asyncio.to_thread(delete, aside)
        attempts = list(self._folders.attempts())
        return tuple(Found(attempt, holder(self._folders.of(attempt)) is not None) for attempt in attempts)

    async def leftovers(self, attempt: Attempt, after: int) -> AsyncIterator[Record]:
        records = left(self._folders.of(attempt) / JOURNAL, after)
        with suppress(WireError):
            while (record := await asyncio.to_thread(next, records, None)) is not None:
                yield record

    async def reachable(self, attempt: Attempt) -> str:
        folder = self._folders.of(attempt)
        try:
            probe = from_bytes(_bundle(folder).plan).annotations.get(PROBE)
        except OSError:
            raise ConductorGone("it was removed") from None
        if probe and not await ready(probe, lambda: holder(folder) is not None, folder / WORKSPACE / READY):
            raise ConductorGone(await _epitaph(folder))
        return LOOPBACK

    def hear(self, ear: Ear) -> None:
        """Nothing is told: what befalls a process is said by ``connect``."""

    async def remove(self, attempt: Attempt) -> None:
        folder = self._folders.of(attempt)
        while (pid := holder(folder)) is not None:
            await _kill(pid, partial(holder, folder))
        if (terms := _terms(folder)) and terms.isolation is Isolation.PATHS:
            await asyncio.to_thread(kill_orphans, attempt)
        if aside := self._folders.set_aside(attempt):
            await asyncio.to_thread(delete, aside)

    async def close(self) -> None:
        await self._nursery.close()

    def _values(self, folder: Path, names: frozenset[str]) -> dict[str, str]:
        references = self._options.references
        return {**(resolve(references, names) if references is not None else {}), **entrusted(folder)}

    # --- parts ----------------------------------------------------------------------------------------------

    def _check(self, bundle: Bundle) -> None:
        try:
            refused = list(refusals(from_bytes(bundle.plan)))
        except BadPlan as problem:
            raise CannotLaunch(str(problem), final=True) from None
        if refused:
            words = f"this needs a container, and steps run as processes here: {'; '.join(refused)}"
            raise CannotLaunch(words, final=True)
        if not self._options.shell:
            raise CannotLaunch("this machine has neither busybox nor bash, so there is no shell for steps", final=True)

    def _check_isolation(self) -> None:
        if self._options.isolation is Isolation.NAMESPACES is not self._nursery.isolation:
            words = f"this agent is set to run steps in namespaces alone, and has none: {self._nursery.why}"
            raise CannotLaunch(words, final=True)

    def _write(self, folder: Path, assign: Assign) -> None:
        options, bundle = self._options, assign.bundle
        folder.mkdir(mode=0o700, exist_ok=True)
        terms = Terms(
            folder=str(folder),
            env={**options.env, **mark(bundle.attempt)},
            shell=options.shell,
            keep=options.keep,
            hide=tuple(str(path.resolve()) for path in (options.state, options.references) if path is not None),
            host=options.host,
            version=options.version,
            alone=options.alone,
            isolation=self._nursery.isolation,
            why=self._nursery.why,
        )
        _put(folder / TERMS, terms.to_json().encode())
        _put(folder / BUNDLE, encode_to(bundle))
        if assign.secrets:
            _put(folder / ENTRUSTED, packed(assign.secrets))

    async def _dialled(self, folder: Path) -> SocketConversation:
        try:
            return await dial(folder)
        except OSError as problem:
            if holder(folder) is not None:
                raise ConnectionError(f"the conductor does not listen: {problem}") from None
        raise ConductorGone(await _epitaph(folder))


def _bundle(folder: Path) -> Bundle:
    bundle = decode_to((folder / BUNDLE).read_bytes())
    assert isinstance(bundle, Bundle)
    return bundle


def _terms(folder: Path) -> Terms | None:
    try:
        return Terms.from_json((folder / TERMS).read_text())
    except (OSError, ValueError):
        return None


def _put(path: Path, data: bytes) -> None:
    """A file for nobody else to read. Half of one does no harm: nobody reads it before the conductor is launched."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


async def _kill(pid: int, still: Callable[[], int | None]) -> None:
    """Kill the process that holds a folder, with all that it started, and wait until it is gone."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    try:
        if still() != pid:  # its number may be another's by now
            return
        signal.pidfd_send_signal(process, signal.SIGKILL)
        loop.add_reader(process, ended.set)
        async with asyncio.timeout(_DEATH):
            await ended.wait()
    except (ProcessLookupError, TimeoutError):
        return
    finally:
        loop.remove_reader(process)
        os.close(process)


async def _epitaph(folder: Path) -> str:
    """What became of a conductor, in words."""
    for _ in range(_NOTING):
        if (code := noted_exit(folder)) is not None:
            break
        await asyncio.sleep(0.02)  # the zygote notes it a moment after the lock is gone
    match code:
        case None:
            return "the conductor is gone: it was killed, or the machine was restarted"
        case code if code < 0:
            return f"the conductor was killed by signal {-code}"
        case _:
            return f"the conductor ended by itself with code {code}"
