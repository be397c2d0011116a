"""The control plane in memory: the twin of agent.ports.control for tests of the agent.

It keeps the promises of the port (a journal without gaps, older attempts fenced, uploads resumed and checked) and
breaks off where a test says so. With a ``ledger`` it keeps journals in a file too, so that a test may kill the
program that it lives in.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from protos.codec.journal import pack, unpack
from workflow.identifiers import Attempt, ExecutionId, Instant, StepRef
from workflow.journal import AttemptFinished, Directive, Output, Record, Stream
from workflow.session import (
    AgentSays,
    ControlSays,
    Fenced,
    FileKind,
    FileOffer,
    FilePosition,
    Heartbeat,
    Hello,
    LeaseRenewed,
    LinkDown,
    Welcome,
)

_LENGTH = struct.Struct(">I")


@dataclass(slots=True)
class Held:
    """What the control plane knows of one attempt."""

    records: list[Record] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    streams: list[MemoryJournal] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """The highest number that is durable."""
        return self.records[-1].seq if self.records else 0

    @property
    def finished(self) -> AttemptFinished | None:
        """The last entry, once it is there."""
        last = self.records[-1].entry if self.records else None
        return last if isinstance(last, AttemptFinished) else None

    def output(self, ref: str = "", stream: Stream | None = Stream.STDOUT) -> bytes:
        """What a step (all of them) printed."""
        outputs = [record.entry for record in self.records if isinstance(record.entry, Output)]
        return b"".join(
            entry.data
            for entry in outputs
            if (not ref or entry.ref == ref) and (stream is None or entry.stream is stream)
        )


class MemoryControl:
    """agent.ports.control.Control."""

    def __init__(self, *, heartbeat_ms: int = 50, ledger: Path | None = None) -> None:
        self.said: list[AgentSays] = []
        self.hellos: list[Hello] = []
        self.attempts: dict[Attempt, Held] = {}
        self.files: dict[str, bytes] = {}
        self.stored: list[tuple[FileOffer, bytes]] = []
        self.abandoned: tuple[Attempt, ...] = ()
        self.down = False
        self.refused: dict[Attempt, Exception] = {}
        """Whose journals are refused, and how."""
        self.withhold = False
        """Whether acknowledgements are kept back."""
        self.break_uploads_at: int | None = None
        """Bytes after which the next upload breaks off."""
        self._heartbeat = heartbeat_ms
        self._ledger = ledger
        self._partial: dict[tuple[Attempt, str, str], bytearray] = {}
        self._complete: set[tuple[Attempt, str, str]] = set()
        self._sessions: list[MemorySession] = []
        self._changed = asyncio.Event()
        if ledger is not None and ledger.exists():
            self._load(ledger)

    # --- what tests do --------------------------------------------------------------------------------------

    def expect(self, attempt: Attempt) -> Held:
        """Begin to know an attempt: its journal may come, older ones of its execution are fenced."""
        return self.attempts.setdefault(attempt, Held())

    def say(self, message: ControlSays) -> None:
        """Say it in the present session."""
        self._sessions[-1].queue.put_nowait(message)

    def tell(self, attempt: Attempt, directive: Directive) -> None:
        """A directive, now and on every further connection."""
        held = self.attempts[attempt]
        held.directives.append(directive)
        for stream in held.streams:
            stream.queue.put_nowait(directive)

    def cut(self) -> None:
        """Break every session and every stream."""
        for session in self._sessions:
            session.queue.put_nowait(LinkDown("cut"))
        for held in self.attempts.values():
            for stream in held.streams:
                stream.queue.put_nowait(LinkDown("cut"))

    def release(self) -> None:
        """Acknowledge what was kept back."""
        self.withhold = False
        for held in self.attempts.values():
            for stream in held.streams:
                stream.queue.put_nowait(held.acknowledged)

    async def until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until ``condition`` holds; it is asked whenever anything was said, sent or stored."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    # --- the port -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def session(self, hello: Hello) -> AsyncIterator[MemorySession]:
        self._check()
        self.hellos.append(hello)
        welcome = Welcome(len(self.hellos), self._heartbeat, self._heartbeat * 5, self.abandoned)
        session = MemorySession(self, welcome)
        self._sessions.append(session)
        self.changed()
        try:
            yield session
        finally:
            self._sessions.remove(session)

    @asynccontextmanager
    async def journal(self, attempt: Attempt) -> AsyncIterator[MemoryJournal]:
        self._check()
        if (refusal := self.refused.get(attempt)) is not None:
            raise refusal
        held = self.attempts.get(attempt)
        newest = max((a.number for a in self.attempts if a.execution == attempt.execution), default=0)
        if held is None or attempt.number < newest or held.finished:
            raise Fenced(f"{attempt} is not wanted")
        stream = MemoryJournal(self, held)
        held.streams.append(stream)
        try:
            yield stream
        finally:
            held.streams.remove(stream)

    async def begin_upload(self, offer: FileOffer) -> FilePosition:
        self._check()
        key = (offer.attempt, offer.name, offer.digest)
        if key in self._complete:
            return FilePosition("", offer.size, complete=True)
        partial = self._partial.setdefault(key, bytearray())
        upload = f"{offer.attempt}|{offer.name}|{offer.digest}|{offer.size}|{offer.kind}|{offer.ref}"
        return await self._settled(offer, upload, partial)

    async def upload(self, position: FilePosition, chunks: AsyncIterator[bytes]) -> FilePosition:
        self._check()
        offer = _offer(position.upload)
        partial = self._partial[offer.attempt, offer.name, offer.digest]
        assert len(partial) == position.offset, "an upload goes on from its position"
        async for chunk in chunks:
            assert 0 < len(chunk) <= 512 * 1024
            partial += chunk
            if self.break_uploads_at is not None and len(partial) >= self.break_uploads_at:
                self.break_uploads_at = None
                raise LinkDown("the upload is cut")
        return await self._settled(offer, position.upload, partial)

    async def download(self, attempt: Attempt, digest: str, offset: int) -> AsyncIterator[bytes]:
        self._check()
        data = self.files[digest]
        for start in range(offset, len(data), 100_000):
            yield data[start : start + 100_000]

    # --- parts ----------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Something happened."""
        self._changed.set()

    def keep(self, attempt: Attempt, records: Sequence[Record]) -> None:
        """Make records durable."""
        if self._ledger is not None:
            with self._ledger.open("ab") as file:
                for record in records:
                    packed = f"{attempt}\n".encode() + pack(record)
                    file.write(_LENGTH.pack(len(packed)) + packed)

    def _check(self) -> None:
        if self.down:
            raise LinkDown("the control plane is down")

    async def _settled(self, offer: FileOffer, upload: str, partial: bytearray) -> FilePosition:
        if len(partial) < offer.size:
            return FilePosition(upload, len(partial), complete=False)
        data = bytes(partial)
        assert len(data) == offer.size
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != offer.digest:
            partial.clear()
            raise LinkDown("the digest differs")
        self.stored.append((offer, data))
        self._complete.add((offer.attempt, offer.name, offer.digest))
        self.files[offer.digest] = data
        self.changed()
        return FilePosition(upload, len(data), complete=True)

    def _load(self, ledger: Path) -> None:
        data = ledger.read_bytes()
        place = 0
        while place + _LENGTH.size <= len(data):
            (length,) = _LENGTH.unpack_from(data, place)
            packed = data[place + _LENGTH.size : place + _LENGTH.size + length]
            if len(packed) < length:
                break
            name, _, record = packed.partition(b"\n")
            execution, _, number = name.decode().partition("#")
            self.expect(Attempt(ExecutionId(execution), int(number))).records.append(unpack(record))
            place += _LENGTH.size + length
        with ledger.open("r+b") as file:
            file.truncate(place)  # what was being written when the program was killed was not acknowledged


class MemorySession:
    """agent.ports.control.Session."""

    def __init__(self, control: MemoryControl, welcome: Welcome) -> None:
        self.welcome = welcome
        self.queue: asyncio.Queue[ControlSays | LinkDown] = asyncio.Queue()
        self._control = control

    async def say(self, message: AgentSays) -> None:
        self._control.said.append(message)
        if isinstance(message, Heartbeat):
            self.queue.put_nowait(LeaseRenewed(Instant(0)))
        self._control.changed()

    async def received(self) -> AsyncIterator[ControlSays]:
        while True:
            message = await self.queue.get()
            if isinstance(message, LinkDown):
                raise message
            yield message


class MemoryJournal:
    """agent.ports.control.JournalStream."""

    def __init__(self, control: MemoryControl, held: Held) -> None:
        self.queue: asyncio.Queue[int | Directive | LinkDown] = asyncio.Queue()
        self._control = control
        self._held = held
        self.queue.put_nowait(held.acknowledged)
        for directive in held.directives:
            self.queue.put_nowait(directive)

    async def send(self, records: Sequence[Record]) -> None:
        fresh = [record for record in records if record.seq > self._held.acknowledged]
        for record in fresh:
            assert record.seq == self._held.acknowledged + 1, f"a gap before record {record.seq}"
            self._held.records.append(record)
        attempt = next(attempt for attempt, held in self._control.attempts.items() if held is self._held)
        self._control.keep(attempt, fresh)
        if not self._control.withhold:
            self.queue.put_nowait(self._held.acknowledged)
        self._control.changed()
        await asyncio.sleep(0)

    async def received(self) -> AsyncIterator[int | Directive]:
        while True:
            item = await self.queue.get()
            if isinstance(item, LinkDown):
                raise item
            yield item


def _offer(upload: str) -> FileOffer:
    attempt, name, digest, size, kind, ref = upload.split("|")
    execution, _, number = attempt.partition("#")
    return FileOffer(
        Attempt(ExecutionId(execution), int(number)), StepRef(ref), name, int(size), digest, FileKind(kind)
    )
