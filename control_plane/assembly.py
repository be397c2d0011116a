"""The control plane joined: adapters, services, ports. The one place that names an adapter.

Called by __main__ and by whole-system tests. Everything that may be wrong with this machine (a port in use, a state
directory that cannot be written, keys that cannot be read) is a CannotStart with a sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from control_plane.adapters.objects import ObjectBlobs
from control_plane.adapters.segments import SegmentJournals
from control_plane.adapters.signals import LocalSignals
from control_plane.adapters.sqlite import SqliteStore
from control_plane.adapters.system import SystemClock
from control_plane.adapters.vault import FileVault
from control_plane.adapters.x509 import RootsUnusable, X509Authority
from control_plane.ports.authority import Authority
from control_plane.ports.opening import Unusable
from control_plane.rpc.gate import Gate
from control_plane.rpc.server import AgentsPort, PortTaken
from control_plane.rpc.server import Services as AgentServices
from control_plane.services.artifacts import Artifacts
from control_plane.services.comparison import Comparisons
from control_plane.services.enrolment import Address, Enrolment
from control_plane.services.explanations import Explanations
from control_plane.services.house import House, Ports, join
from control_plane.services.logs import Logs
from control_plane.services.queries import Queries
from control_plane.services.retention import Retention
from control_plane.services.watching import Watching
from control_plane.serving import CannotListen, WebServer, http, listening, port_for
from control_plane.settings import Settings
from control_plane.web import app as people
from control_plane.web import enrolment as enrolment_port
from control_plane.web import https
from control_plane.web.calls import Services as PeopleServices
from control_plane.web.guard import LOOPBACK


class CannotStart(Exception):
    """The control plane cannot start here. A sentence: what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Where the running control plane is reached: host:port for agents, URLs for people and for enrolment."""

    grpc: str
    web: str
    enrol: str


@asynccontextmanager
async def control_plane(settings: Settings, version: str) -> AsyncIterator[Ready]:
    """A running control plane; ends when the context does. CannotStart."""
    try:
        async with AsyncExitStack() as stack:
            yield await _start(settings, version, stack)
    except (Unusable, RootsUnusable, PortTaken, CannotListen) as trouble:
        raise CannotStart(str(trouble)) from None
    except BaseExceptionGroup as group:
        first = _first(group)
        if isinstance(first, PortTaken):
            raise CannotStart(str(first)) from None
        raise


async def _start(settings: Settings, version: str, stack: AsyncExitStack) -> Ready:
    state = settings.state
    _prepare(state)
    clock, signals = SystemClock(), LocalSignals()
    store = await SqliteStore.open(state / "muster.db")
    stack.push_async_callback(store.close)
    objects: Path | str = settings.objects or state / "objects"
    journals = await SegmentJournals.open(state / "journal", objects)
    stack.push_async_callback(journals.close)
    blobs = await ObjectBlobs.open(state / "uploads", objects)
    stack.push_async_callback(blobs.close)
    names = ("localhost", "127.0.0.1", "::1", settings.host, *settings.names)
    authority = await asyncio.to_thread(X509Authority, state / "authority", tuple(dict.fromkeys(names)), clock)
    vault = await asyncio.to_thread(FileVault.open, state / "vault.key")

    ports = Ports(store, journals, signals, clock, vault, blobs)
    house = join(ports, terms=settings.terms, version=version, log_limit=round(settings.log_limit * 1024 * 1024))
    await house.load()
    grpc_port = port_for("the agents' port", "--grpc-port", settings.grpc_host, settings.grpc_port)
    enrol_socket = listening("the enrolment port", "--enrol-port", settings.enrol_host, settings.enrol_port)
    stack.callback(enrol_socket.close)
    web_socket = listening("the people's port", "--web-port", settings.web_host, settings.web_port)
    stack.callback(web_socket.close)
    ready = Ready(
        grpc=f"{_shown(settings.host)}:{grpc_port}",
        web=f"http://{_shown(settings.web_host)}:{web_socket.getsockname()[1]}",
        enrol=f"https://{_shown(settings.host)}:{enrol_socket.getsockname()[1]}",
    )
    enrolment = Enrolment(store, authority, signals, clock, Address(ready.grpc, ready.enrol))
    artifacts = Artifacts(store, blobs, clock)
    token = await asyncio.to_thread(_token, state / "token")
    queries = Queries(store, house.sessions)
    app = people.create(
        _people(house, queries, artifacts, enrolment, store, journals, signals),
        token=token,
        version=version,
        hosts=(*LOOPBACK, *settings.web_names),
    )
    agents = AgentServices(house.sessions, house.progress, artifacts, enrolment)
    gate = Gate(enrolment, signals, clock)
    port = AgentsPort(f"{_shown(settings.grpc_host)}:{grpc_port}", authority, gate, agents, version)

    tasks = await stack.enter_async_context(_background())
    tasks.create_task(house.run())
    tasks.create_task(gate.run())
    tasks.create_task(Retention(store, journals, artifacts, clock, settings.keep_days * 24 * 3600).run())
    await house.ready.wait()
    for server, bound in (
        (WebServer(_enrolment_config(enrolment, authority)), enrol_socket),
        (WebServer(http(app)), web_socket),
    ):
        serving = tasks.create_task(server.listen(bound))
        stack.push_async_callback(_left, server, serving)
        await server.listens.wait()
    await port.start()
    stack.push_async_callback(port.stop)
    return ready


def _people(
    house: House,
    queries: Queries,
    artifacts: Artifacts,
    enrolment: Enrolment,
    store: SqliteStore,
    journals: SegmentJournals,
    signals: LocalSignals,
) -> PeopleServices:
    logs = Logs(store, journals, signals)
    comparisons = Comparisons(queries, artifacts)
    return PeopleServices(
        queries=queries,
        logs=logs,
        watching=Watching(queries, logs),
        artifacts=artifacts,
        comparisons=comparisons,
        explanations=Explanations(queries, comparisons, journals),
        submission=house.submission,
        documents=house.catalog,
        invitations=enrolment,
        drains=house.sessions,
    )


def _enrolment_config(enrolment: Enrolment, authority: Authority) -> uvicorn.Config:
    config = https.configuration(enrolment_port.application(enrolment), authority, "", 0)
    config.timeout_graceful_shutdown = 1
    return config


@asynccontextmanager
async def _background() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks that live as long as the context. Where one of them fails, all end, and so does the program."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
            raise _Ended
    except* _Ended:
        pass


class _Ended(Exception):
    """The context was left: end the tasks."""


async def _left(server: WebServer, serving: asyncio.Task[None]) -> None:
    server.leave()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _prepare(state: Path) -> None:
    """The state directory, private to its owner."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = state / f".writable.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise CannotStart(
            f"the state directory {state} cannot be used: {error.strerror or error}; "
            "choose another one with --state, or mend its owner and permissions"
        ) from None


def _token(path: Path) -> str:
    """The people's token, made at first start; readable by its owner alone."""
    with contextlib.suppress(FileNotFoundError):
        found = path.read_text().strip()
        if found:
            return found
    token = secrets.token_urlsafe(32)
    draft = path.with_name(f".token.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return token


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
