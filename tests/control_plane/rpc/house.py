"""The agents' port on a real socket with real mutual TLS, a real authority and enrolment; scripted services behind."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import uvicorn
from cryptography import x509

from agent.link.control import Link
from agent.link.identity import Identity, made, new_key, save
from control_plane.adapters.memory import MemoryStore
from control_plane.adapters.signals import LocalSignals
from control_plane.adapters.system import SystemClock
from control_plane.adapters.x509 import Lives, X509Authority, roots
from control_plane.ports.records import AgentRow, AgentState
from control_plane.ports.store import Unit
from control_plane.rpc.gate import Gate
from control_plane.rpc.server import AgentsPort, Services
from control_plane.services.artifacts import BadOffer, NoSuchUpload
from control_plane.services.enrolment import Address, Enrolment
from control_plane.web import enrolment, https
from tests.contracts.authority import certs
from tests.control_plane.services.test_enrolment import token_of
from workflow.identifiers import AgentName, Attempt, ExecutionId, Instant
from workflow.journal import Directive, Record
from workflow.session import AgentSays, ControlSays, FileOffer, FilePosition, Hello, LinkDown, Welcome

NAME = AgentName("dev-runner")
ATTEMPT = Attempt(ExecutionId("e1"), 1)
HELLO = Hello("0.1.0", "process", 4)


class ToSay(deque["ControlSays | Exception"]):
    """What a session is to say."""

    bell: Callable[[], None] = staticmethod(lambda: None)

    async def put(self, said: ControlSays | Exception) -> None:
        self.append(said)
        self.bell()


class ScriptedSession:
    """One session: what was heard, what is to be said (an exception is raised)."""

    def __init__(self, agent: AgentName, hello: Hello, number: int) -> None:
        self.agent = agent
        self.hello = hello
        self.welcome = Welcome(number, 1000, 5000, labels={"environment": "dev"})
        self.heard_: asyncio.Queue[AgentSays] = asyncio.Queue()
        self.to_say = ToSay()
        self.closed = asyncio.Event()

    async def heard(self, message: AgentSays) -> None:
        await self.heard_.put(message)

    def attend(self, bell: Callable[[], None]) -> None:
        self.to_say.bell = bell
        bell()

    def next(self) -> ControlSays | None:
        said = self.to_say.popleft() if self.to_say else None
        if isinstance(said, Exception):
            raise said
        return said

    def unattended(self) -> None:
        self.to_say.bell = lambda: None

    async def close(self) -> None:
        await self.to_say.put(LinkDown("the session was closed"))  # as ours does
        self.closed.set()


class ScriptedSessions:
    """services.sessions."""

    def __init__(self) -> None:
        self.opened: asyncio.Queue[ScriptedSession] = asyncio.Queue()
        self.refusal: Exception | None = None
        self._number = 0

    async def open(self, agent: AgentName, hello: Hello) -> ScriptedSession:
        if self.refusal is not None:
            raise self.refusal
        self._number += 1
        session = ScriptedSession(agent, hello, self._number)
        await self.opened.put(session)
        return session


class ScriptedJournal:
    """One attempt's journal. ``disk`` clear: appends wait."""

    def __init__(self, agent: AgentName) -> None:
        self.agent = agent
        self.records: list[Record] = []
        self.appends: list[int] = []
        self.disk = asyncio.Event()
        self.disk.set()
        self.directed: asyncio.Queue[Directive | Exception] = asyncio.Queue()
        self.refusal: Exception | None = None
        self.grown = asyncio.Condition()
        self.opens = 0
        self.open_now = 0

    @property
    def acknowledged(self) -> int:
        return self.records[-1].seq if self.records else 0

    async def append(self, records: Sequence[Record]) -> int:
        if self.refusal is not None:
            raise self.refusal
        self.appends.append(len(records))
        await self.disk.wait()
        async with self.grown:
            self.records.extend(record for record in records if record.seq > self.acknowledged)
            self.grown.notify_all()
        return self.acknowledged

    async def directives(self) -> AsyncIterator[Directive]:
        while True:
            directive = await self.directed.get()
            if isinstance(directive, Exception):
                raise directive
            yield directive

    async def close(self) -> None:
        self.open_now -= 1
        async with self.grown:
            self.grown.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with self.grown:
            await self.grown.wait_for(holds)


class ScriptedProgress:
    """services.progress."""

    def __init__(self) -> None:
        self.journals: dict[Attempt, ScriptedJournal] = {}
        self.refusal: Exception | None = None

    def of(self, attempt: Attempt = ATTEMPT, agent: AgentName = NAME) -> ScriptedJournal:
        return self.journals.setdefault(attempt, ScriptedJournal(agent))

    async def open(self, agent: AgentName, attempt: Attempt) -> ScriptedJournal:
        if self.refusal is not None:
            raise self.refusal
        journal = self.journals[attempt]
        journal.opens += 1
        journal.open_now += 1
        return journal


class ScriptedArtifacts:
    """services.artifacts: one upload, one blob."""

    def __init__(self) -> None:
        self.data = b""
        self.offer: FileOffer | None = None
        self.refusal: Exception | None = None

    async def begin(self, agent: AgentName, offer: FileOffer) -> FilePosition:
        if self.refusal is not None:
            raise self.refusal
        self.offer = offer
        return FilePosition("u1", len(self.data), len(self.data) == offer.size)

    async def append(self, agent: AgentName, upload: str, offset: int, data: bytes) -> FilePosition:
        if upload != "u1" or self.offer is None:
            raise NoSuchUpload(upload)
        if offset != len(self.data):
            raise BadOffer("a gap")
        self.data += data
        return FilePosition("u1", len(self.data), len(self.data) == self.offer.size)

    async def download(self, agent: AgentName, attempt: Attempt, digest: str, offset: int) -> AsyncIterator[bytes]:
        if self.refusal is not None:
            raise self.refusal
        yield self.data[offset:]


@dataclass
class House:
    """Everything of a control plane that an agent can touch."""

    folder: Path
    lives: Lives
    store: MemoryStore = field(default_factory=MemoryStore)
    signals: LocalSignals = field(default_factory=LocalSignals)
    clock: SystemClock = field(default_factory=SystemClock)
    sessions: ScriptedSessions = field(default_factory=ScriptedSessions)
    progress: ScriptedProgress = field(default_factory=ScriptedProgress)
    artifacts: ScriptedArtifacts = field(default_factory=ScriptedArtifacts)
    port: int = 0
    server: AgentsPort | None = None
    tasks: asyncio.TaskGroup | None = None
    guard: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.authority = X509Authority(self.folder / "ca", ["localhost", "127.0.0.1"], self.clock, self.lives)
        self.doorstep = socket.create_server(("127.0.0.1", 0))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        address = Address(self.address, f"https://localhost:{self.doorstep.getsockname()[1]}")
        self.enrolment = Enrolment(self.store, self.authority, self.signals, self.clock, address)

    async def start(self) -> None:
        gate = Gate(self.enrolment, self.signals, self.clock)
        services = Services(self.sessions, self.progress, self.artifacts, self.enrolment)
        self.server = AgentsPort(f"localhost:{self.port}", self.authority, gate, services, "9.9.9")
        self.port = await self.server.start()
        assert self.tasks is not None
        self.guard = self.tasks.create_task(gate.run())

    @asynccontextmanager
    async def door(self) -> AsyncIterator[None]:
        """The enrolment port is open."""
        application = enrolment.application(self.enrolment)
        server = uvicorn.Server(https.configuration(application, self.authority, "localhost", 0))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve([self.doorstep]))
            try:
                yield
            finally:
                server.should_exit = True

    async def put_in_force(self, chain_pem: bytes, name: AgentName = NAME) -> None:
        """As if we had issued it."""
        serial = f"{x509.load_pem_x509_certificate(chain_pem).serial_number:x}"

        def work(unit: Unit) -> None:
            row = AgentRow(name, {}, AgentState.ACTIVE, Instant(0), serials=(serial,))
            (unit.fleet.put if unit.fleet.get(name) else unit.fleet.add)(row)

        await self.store.write(work)

    def mad(self) -> certs.Forge:
        """Our own root, signing anything."""
        root = roots.load(self.folder / "ca")[-1]
        return certs.Forge(root.key, root.certificate.subject)

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop(0)
        if self.guard is not None:
            self.guard.cancel()
        self.server = self.guard = None

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    async def joined(self, name: AgentName = NAME) -> Identity:
        """An enrolled agent's identity, kept in ``folder/<name>``."""
        token = token_of(await self.enrolment.invite(name, {"environment": "dev"}))
        key, request = new_key()
        grant = await self.enrolment.enrol(token, request)
        identity = made(
            server=self.address,
            key=key,
            chain=certs.pem(grant.issued.chain).decode(),
            roots=grant.roots_pem.decode(),
            received=time.time(),
            life=grant.life,
        )
        save(self.folder / name, identity)
        return identity

    @asynccontextmanager
    async def link(self, identity: Identity | None = None) -> AsyncIterator[Link]:
        identity = identity or await self.joined()
        link = Link(self.folder / identity.name, identity)
        try:
            yield link
        finally:
            await link.close()

    @asynccontextmanager
    async def channel(
        self, key: bytes, chain: bytes, options: tuple[tuple[str, int], ...] = ()
    ) -> AsyncIterator[grpc.aio.Channel]:
        """A connection with any certificate at all."""
        credentials = grpc.ssl_channel_credentials(self.authority.roots_pem(), key, chain)
        async with grpc.aio.secure_channel(self.address, credentials, options=options) as channel:
            yield channel


@asynccontextmanager
async def house(folder: Path, lives: Lives | None = None) -> AsyncIterator[House]:
    built = House(folder, lives or Lives())
    async with asyncio.TaskGroup() as built.tasks:
        await built.start()
        try:
            yield built
        finally:
            await built.stop()
            built.doorstep.close()
