"""An agent put together: the only place that names the link to the control plane and an executor.

Called by __main__ alone. What only one kind of agent needs, or only once (an HTTP client, to join), is loaded when it
is needed: an agent is to be small.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from agent.health import health
from agent.link import identity
from agent.link.background import beside
from agent.link.control import Link
from agent.link.join import BadJoin
from agent.link.renewal import Keep
from agent.ports.executor import Executor
from agent.relay import Relay, RelayOptions
from agent.settings import Settings
from workflow.identifiers import AgentName
from workflow.session import LinkDown, Refused

if TYPE_CHECKING:
    from agent.executors.kubernetes.opening import Cluster
    from agent.executors.process.executor import ProcessExecutor

log = logging.getLogger("muster.agent")

_LOCK = "agent.lock"


class CannotStart(Exception):
    """The agent cannot start. One sentence with what to do."""


@asynccontextmanager
async def agent(settings: Settings, version: str, connected: Callable[[AgentName], None]) -> AsyncIterator[Relay]:
    """An agent, to be run. ``connected`` is told each time that a session begins. CannotStart, Refused."""
    async with AsyncExitStack() as stack:
        stack.enter_context(_alone(settings.state))
        keep = await _kept_in_cluster(settings, stack)
        found = identity.load(settings.state)
        if found is None:
            raise CannotStart(
                f"this agent has not joined a control plane: run muster agents create NAME there, and "
                f"python -m agent join --state {settings.state} here"
            )
        link = Link(settings.state, found, keep)
        stack.push_async_callback(link.close)
        executor: Executor
        if settings.executor == "kubernetes":
            executor = await _pods(settings, found.name, version, stack)
        else:
            executor = process = processes(settings, version)
            stack.push_async_callback(process.close)
            await stack.enter_async_context(beside(process.warm()))
        options = RelayOptions(settings.max_concurrent, version)
        relay = Relay(link, executor, options, lambda _: connected(found.name))
        if settings.health_port:
            await _serving(stack, settings, relay)
        yield relay
        if settings.on_stop == "end":
            await end_all(executor)


async def join(state: Path, invitation: str) -> AgentName:
    """Take an invitation; the agent's name. CannotStart."""
    from agent.link.enrolment import enrol

    try:
        with _alone(state):
            return (await enrol(invitation, state)).name
    except (BadJoin, LinkDown, Refused) as problem:
        raise CannotStart(str(problem)) from None
    except OSError as problem:
        raise CannotStart(f"the identity cannot be kept in {state}: {problem.strerror}") from None


async def _pods(settings: Settings, name: AgentName, version: str, stack: AsyncExitStack) -> Executor:
    """The executor of a cluster, watching. CannotStart."""
    from agent.executors.kubernetes import opening  # an optional dependency, and not a small one

    try:
        executor = await opening.open_cluster(_cluster(settings, name, version))
    except opening.BadCluster as problem:
        raise CannotStart(str(problem)) from None
    stack.push_async_callback(executor.close)
    await stack.enter_async_context(beside(executor.run()))
    return executor


def _cluster(settings: Settings, name: str, version: str) -> Cluster:
    """How pods are made here, and the policy. CannotStart."""
    from agent.executors.kubernetes import opening

    path = settings.cluster or settings.state / opening.FILE
    guard = path.with_name(opening.POLICY)
    try:
        policy = guard.read_text() if guard.exists() else None
        return opening.read_cluster(path.read_text(), name, version, int(settings.alone_hours * 3600), policy)
    except opening.BadCluster as problem:
        raise CannotStart(str(problem)) from None
    except OSError as problem:
        raise CannotStart(f"{problem.filename or path} cannot be read: {problem.strerror}") from None


async def _kept_in_cluster(settings: Settings, stack: AsyncExitStack) -> Keep | None:
    """Where a Secret keeps who this agent is: bring that here, or join with the invitation that lies there. How to
    keep a renewed identity; None where the folder is all there is. CannotStart."""
    if settings.executor != "kubernetes" or not (cluster := _cluster(settings, "", "")).identity:
        return None
    from agent.executors.kubernetes import opening

    try:
        kept = await opening.open_kept(cluster)
        stack.push_async_callback(kept.close)
        content = await kept.read()
        if content.identity is not None:
            await asyncio.to_thread(identity.save, settings.state, identity.read(content.identity))
    except (opening.BadCluster, LinkDown, Refused, OSError) as problem:
        raise CannotStart(str(problem)) from None

    async def keep(fresh: identity.Identity) -> None:
        await kept.keep(identity.written(fresh))

    if content.invitation is not None:
        await _join_again(content.invitation, settings.state, keep, known=content.identity is not None)
    return keep


async def _join_again(invitation: str, state: Path, keep: Keep, known: bool) -> None:
    """Take an invitation. Who is known already goes on as it was where that fails. CannotStart."""
    from agent.link.enrolment import enrol

    try:
        await keep(await enrol(invitation, state))
    except (BadJoin, LinkDown, Refused) as problem:
        if not known:
            raise CannotStart(str(problem)) from None
        log.warning("the new invitation cannot be taken, this agent stays who it was: %s", problem)


def processes(settings: Settings, version: str) -> ProcessExecutor:
    """The executor of this machine."""
    from agent.conductor.workspace import Isolation
    from agent.executors.process.executor import Options, ProcessExecutor

    return ProcessExecutor(
        Options(
            state=settings.state,
            env=settings.env,
            shell=_shell(settings.env["PATH"]),
            references=settings.references or settings.state / "references",
            keep=_own_paths(),
            isolation=None if settings.isolation == "auto" else Isolation(settings.isolation),
            host=socket.gethostname(),
            version=version,
            alone=int(settings.alone_hours * 3600),
        )
    )


async def end_all(executor: Executor) -> None:
    """End everything that still runs here."""
    for found in await executor.held():
        await executor.remove(found.attempt)


async def _serving(stack: AsyncExitStack, settings: Settings, relay: Relay) -> None:
    host, port = settings.health_host, settings.health_port
    try:
        await stack.enter_async_context(health(port, lambda: relay.linked, host))
    except OSError as problem:
        raise CannotStart(f"health cannot be served on {host}, port {port}: {problem.strerror}") from None


def _shell(path: str) -> tuple[str, ...]:
    """The workflow shell: busybox sh, else bash; nothing where there is neither."""
    for name, command in (("busybox", ("busybox", "sh")), ("bash", ("bash",))):
        if shutil.which(name, path=path):
            return command
    return ()


def _own_paths() -> tuple[str, ...]:
    """Where this program's own interpreter and packages lie: steps see them even where that is below /tmp."""
    packages = Path(__file__).resolve().parent.parent
    return tuple(dict.fromkeys((sys.prefix, sys.base_prefix, str(packages))))


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Hold the state directory for this program alone. CannotStart."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(state / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise CannotStart(f"{state} cannot be used: {problem.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise CannotStart(f"another agent runs with {state}; each agent needs a directory of its own") from None
    try:
        yield
    finally:
        os.close(descriptor)
