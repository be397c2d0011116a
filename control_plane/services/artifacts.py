"""Files of executions: who may store and read which, within which bounds.

Called by control_plane.rpc (agents), services.queries and control_plane.web (people). An artifact is shown when both
hold: its bytes arrived here, complete and by whom may bring them (then its row is written), and the journal says that
the step stored it. Knows nothing of gRPC or HTTP.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from control_plane.ports.blobs import Blobs, Upload
from control_plane.ports.clock import Clock
from control_plane.ports.records import ArtifactRow, ExecutionRow, Host
from control_plane.ports.store import Store, Unit
from workflow.filenames import BadName, Names, artifact_name
from workflow.identifiers import AgentName, Attempt, ExecutionId, StepRef
from workflow.session import Fenced, FileKind, FileOffer, FilePosition

MAX_CHUNK: Final = 1024 * 1024
"""Bytes of one append at the most."""
MAX_TALLIES: Final = 1000
"""Attempts whose offers are remembered; older ones are read again from the store."""


MAX_TICKET: Final = 2048
"""Characters of what an upload is called to its agent."""
ARTIFACT_STORED: Final = "artifact_stored"
TRANSFER_STORED: Final = "transfer_stored"
"""The kinds of the entries that show an artifact, and that offer files to a parent (workflow.entries)."""

_KINDS: Final = frozenset(FileKind)


class BadOffer(ValueError):
    """The file is refused for what it is: its name, its size, one too many. The step is told this sentence."""


class NotYours(Exception):
    """The agent does not hold what it speaks of, or may not read it."""


class NoSuchUpload(KeyError):
    """The upload is not known (any more): begin again."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """Bounds for each attempt: bytes of one file, number of files, bytes of all."""

    file_bytes: int = 2 * 1024**3
    files: int = 10_000
    bytes: int = 10 * 1024**3


class Tally:
    """What one attempt has offered so far."""

    def __init__(self) -> None:
        self._names = Names()
        self._sizes: dict[tuple[FileKind, str], int] = {}
        self._total = 0

    def add(self, kind: FileKind, name: str, size: int, quotas: Quotas) -> None:
        """Count one file in, again where it replaces itself. Raises BadOffer, BadName; then nothing is counted."""
        key = (kind, name)
        total = self._total - self._sizes.get(key, 0) + size
        if size > quotas.file_bytes:
            raise BadOffer(f"{name[:80]!r} has {size} bytes; at most {quotas.file_bytes} are allowed")
        if key not in self._sizes and len(self._sizes) >= quotas.files:
            raise BadOffer(f"{name[:80]!r} would be one file too many: at most {quotas.files} are allowed")
        if total > quotas.bytes:
            raise BadOffer(f"with {name[:80]!r} the execution's files would exceed {quotas.bytes} bytes")
        if kind is FileKind.ARTIFACT:
            self._names.add(name)
        self._sizes[key], self._total = size, total


class Artifacts:
    """See the module."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, quotas: Quotas | None = None) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._quotas = quotas or Quotas()
        self._tallies: OrderedDict[Attempt, Tally] = OrderedDict()
        self._beginning: Counter[str] = Counter()  # by digest
        self._leaving: dict[str, asyncio.Event] = {}  # by digest; set when it is gone

    # --- agents ---

    async def begin(self, agent: AgentName, offer: FileOffer) -> FilePosition:
        """Begin the upload, or find it again. Raises Fenced, NotYours, BadOffer, BlobsUnavailable."""
        await self._held(agent, offer.attempt)
        await self._count(offer)
        async with self._wanted(offer.digest):
            try:
                upload = await self._blobs.begin(offer.digest, offer.size)
            except ValueError as error:
                raise BadOffer(f"{offer.name[:80]!r}: {error}") from error
            if upload.size != offer.size:
                raise BadOffer(f"{offer.name[:80]!r} has {upload.size} bytes, not {offer.size}")
            return await self._told(offer, upload)

    async def append(self, agent: AgentName, upload: str, offset: int, data: bytes) -> FilePosition:
        """Add bytes. Raises Fenced, NotYours, NoSuchUpload, BadOffer (a gap, too much), DigestMismatch,
        BlobsUnavailable."""
        inner, offer = _read_ticket(upload)
        await self._held(agent, offer.attempt)
        if len(data) > MAX_CHUNK:
            raise BadOffer(f"a piece of {len(data)} bytes came; at most {MAX_CHUNK} are allowed")
        try:
            position = await self._blobs.append(inner, offset, data)
        except KeyError:
            raise NoSuchUpload(upload) from None
        except ValueError as error:
            raise BadOffer(str(error)) from error
        if position.complete:
            offer = replace(offer, size=position.size, digest=position.digest)
            await self._count(offer)
        return await self._told(offer, position)

    async def download(self, agent: AgentName, attempt: Attempt, digest: str, offset: int = 0) -> AsyncIterator[bytes]:
        """A file that a parent handed to this execution, or that a child of it offers. Raises Fenced, NotYours."""
        row = await self._held(agent, attempt)
        if not await self._store.read(lambda unit: digest in _readable(unit, row)):
            raise NotYours(f"{attempt} was handed no file {digest[:80]}")
        try:
            async for piece in self._blobs.read(digest, offset):
                yield piece
        except KeyError:
            raise NotYours(f"the file {digest[:80]} is gone") from None

    # --- people ---

    async def find(self, execution: ExecutionId, name: str) -> ArtifactRow | None:
        """The artifact of this name, of the newest attempt that stored one."""
        rows = await self._store.read(lambda unit: shown(unit, execution))
        return max((row for row in rows if row.name == name), key=lambda row: row.attempt, default=None)

    def read(self, digest: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of an artifact that ``find`` or a query named. KeyError where they are gone."""
        return self._blobs.read(digest, offset, length)

    # --- retention ---

    async def forget(self, digest: str) -> None:
        """Delete a blob that was marked as garbage, unless it is wanted again. BlobsUnavailable."""
        if digest in self._leaving or self._beginning[digest]:
            return
        gone = self._leaving[digest] = asyncio.Event()
        try:
            if not await self._store.read(lambda unit: unit.entries.uses(digest)):
                await self._blobs.delete(digest)
            await self._store.write(lambda unit: unit.garbage.unmark(digest))
        finally:
            gone.set()
            del self._leaving[digest]

    @asynccontextmanager
    async def _wanted(self, digest: str) -> AsyncIterator[None]:
        """Keep the blob from being forgotten while the context is open, and later: it is no garbage any more."""
        while (leaving := self._leaving.get(digest)) is not None:
            await leaving.wait()
        self._beginning[digest] += 1
        try:
            if await self._store.read(lambda unit: unit.garbage.has(digest)):
                await self._store.write(lambda unit: unit.garbage.unmark(digest))
            yield
        finally:
            self._beginning[digest] -= 1
            if not self._beginning[digest]:
                del self._beginning[digest]

    # --- inside ---

    async def _told(self, offer: FileOffer, upload: Upload) -> FilePosition:
        """What the agent is told; of a complete artifact the row is written first."""
        if upload.complete and offer.kind is FileKind.ARTIFACT:
            attempt, now = offer.attempt, self._clock.now()
            row = ArtifactRow(attempt.execution, attempt.number, offer.ref, offer.name, offer.size, offer.digest, now)
            await self._store.write(lambda unit: unit.entries.add_artifact(row))
        return FilePosition(_ticket(offer, upload.id), upload.offset, upload.complete)

    async def _held(self, agent: AgentName, attempt: Attempt) -> ExecutionRow:
        row = await self._store.read(lambda unit: unit.executions.get(attempt.execution))
        if row is None or row.attempt < attempt.number:
            raise NotYours(f"there is no attempt {attempt}")
        if row.attempt > attempt.number:
            raise Fenced(f"{attempt} was handed out again: attempt {row.attempt} counts")
        if row.agent != agent:
            raise NotYours(f"{attempt} is not held by {agent}")
        if not row.state.live:
            raise Fenced(f"{attempt} is over: {row.state.value}")
        return row

    async def _count(self, offer: FileOffer) -> None:
        try:
            if offer.kind is FileKind.ARTIFACT:
                artifact_name(offer.name)
            elif len(offer.name.encode(errors="replace")) > MAX_CHUNK // 1024:
                raise BadOffer("the name of a transfer is too long")
            if offer.size < 0:
                raise BadOffer(f"{offer.name[:80]!r} cannot have {offer.size} bytes")
            (await self._tally(offer.attempt)).add(offer.kind, offer.name, offer.size, self._quotas)
        except BadName as error:
            raise BadOffer(str(error)) from error

    async def _tally(self, attempt: Attempt) -> Tally:
        tally = self._tallies.get(attempt)
        if tally is None:
            stored = await self._store.read(lambda unit: unit.entries.artifacts(attempt.execution))
            tally = self._tallies.setdefault(attempt, Tally())
            for row in stored:
                if row.attempt == attempt.number:
                    tally.add(FileKind.ARTIFACT, row.name, row.size, self._quotas)
        self._tallies.move_to_end(attempt)
        while len(self._tallies) > MAX_TALLIES:
            self._tallies.popitem(last=False)
        return tally


def _readable(unit: Unit, row: ExecutionRow) -> set[str]:
    """The digests of the files that were handed to an execution, or offered by its children."""
    digests = _handed(unit, row)
    for child in unit.executions.children(row.id):
        entries = unit.entries.of(child.id)
        digests |= {str(entry.body.get("digest")) for entry in entries if entry.kind == TRANSFER_STORED}
    return digests


def _handed(unit: Unit, row: ExecutionRow) -> set[str]:
    """The digests of what an execution was handed, or a parent for it that the control plane conducts."""
    plan = unit.executions.plan(row.id)
    digests = {digest for digest, _ in plan.transfers} if plan else set()
    parent = unit.executions.get(row.place.parent) if row.place is not None else None
    return digests | _handed(unit, parent) if parent is not None and parent.host is Host.CONTROL_PLANE else digests


def shown(unit: Unit, execution: ExecutionId) -> tuple[ArtifactRow, ...]:
    """The artifacts of all attempts whose bytes are here and of which the journal says that they were stored."""
    entries = [entry for entry in unit.entries.of(execution) if entry.kind == ARTIFACT_STORED]
    said = {(entry.attempt.number, entry.body.get("name"), entry.body.get("digest")) for entry in entries}
    rows = unit.entries.artifacts(execution) if said else ()
    return tuple(row for row in rows if (row.attempt, row.name, row.digest) in said)


def _ticket(offer: FileOffer, upload: str) -> str:
    """What an upload is called to its agent: all that must be known of it, so that it outlives a restart."""
    attempt = offer.attempt
    return f"{attempt.execution}/{attempt.number}/{upload}/{offer.kind.value}/{offer.ref}/{offer.name}"


def _read_ticket(ticket: str) -> tuple[str, FileOffer]:
    """The upload as the blobs call it, and its offer without size and digest. Nothing of it is believed."""
    parts = ticket.split("/", 5)
    if len(ticket) > MAX_TICKET or len(parts) < 6 or not parts[1].isdecimal() or parts[3] not in _KINDS:
        raise NoSuchUpload(ticket[:80])
    execution, number, upload, kind, ref, name = parts
    attempt = Attempt(ExecutionId(execution), int(number))
    return upload, FileOffer(attempt, StepRef(ref), name, 0, "", FileKind(kind))
