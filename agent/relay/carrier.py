"""One attempt carried: from its conductor's journal to the control plane's, and back.

Run by the relay, a task an attempt. It keeps nothing: whenever either side breaks off, both are joined again at the
number that the control plane holds. How it ends is its answer; the relay draws the conclusions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import assert_never

from agent.ports.conductor import Attached, FileChunk, FileOffered, FileWanted, Records, Release, Stored
from agent.ports.control import Control, JournalStream
from agent.ports.executor import ConductorGone, Conversation, Executor
from agent.relay.files import Files
from agent.relay.patience import Patience
from workflow.identifiers import Attempt
from workflow.journal import AttemptFinished, Directive, Record
from workflow.session import Fenced, LinkDown, NotAdmitted, Refused

BATCH = 16
"""Records of a dead conductor sent at once: 4 MiB at the most."""

_Down = AsyncIterator[int | Directive]


@dataclass(frozen=True, slots=True)
class Finished:
    """The journal is complete and durable."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The conductor is gone without having finished; what it left is durable."""

    reason: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """The control plane wants nothing of this attempt any more."""

    reason: str


End = Finished | Lost | Superseded


class _Complete(Exception):
    """The last entry is acknowledged."""


class Carrier:
    """One attempt."""

    def __init__(
        self,
        attempt: Attempt,
        control: Control,
        executor: Executor,
        linked: Callable[[], Awaitable[object]],
        saw: Callable[[Record], Awaitable[None]],
    ) -> None:
        """``linked`` waits until there is a session; ``saw`` is shown each record that goes up."""
        self._attempt = attempt
        self._control = control
        self._executor = executor
        self._linked = linked
        self._saw = saw
        self._last: int | None = None

    async def carry(self) -> End:
        """Until its end. What is refused of this attempt ends this attempt; where the agent itself is refused, its
        session says so, and the attempt waits for the next."""
        patience = Patience()
        while True:
            await self._linked()
            try:
                return await self._joined(patience)
            except (LinkDown, ConnectionError, NotAdmitted):
                await patience.wait()
            except Refused as refusal:
                return Lost(f"the control plane refuses its journal: {refusal}")
            except Fenced as fenced:
                return Superseded(str(fenced))

    async def _joined(self, patience: Patience) -> End:
        async with self._control.journal(self._attempt) as stream:
            down = stream.received()
            acknowledged = await anext(down, None)
            if not isinstance(acknowledged, int):
                raise LinkDown("the journal's stream ended at once")
            patience.reset()
            try:
                async with self._executor.connect(self._attempt, acknowledged) as conversation:
                    return await self._both_ways(stream, down, conversation)
            except ConductorGone as gone:
                return await self._bury(stream, down, acknowledged, gone.reason)

    # --- a living conductor ---------------------------------------------------------------------------------

    async def _both_ways(self, stream: JournalStream, down: _Down, conversation: Conversation) -> End:
        try:
            async with asyncio.TaskGroup() as tasks:
                files = Files(self._attempt, self._control, conversation, tasks)
                tasks.create_task(self._pass_down(down, conversation))
                await self._pass_up(stream, conversation, files)
        except BaseExceptionGroup as group:
            error = telling(group, _Complete, Fenced, Refused)
            if isinstance(error, _Complete):
                return Finished()
            raise error from None
        raise AssertionError("carrying ends by an error or by completion")

    async def _pass_up(self, stream: JournalStream, conversation: Conversation, files: Files) -> None:
        async for message in conversation.received():
            match message:
                case Records(records):
                    self._note(records)
                    await stream.send(records)
                    for record in records:
                        await self._saw(record)
                case FileOffered() | FileChunk() | FileWanted():
                    files.heard(message)
                case Attached():
                    continue
                case _:
                    assert_never(message)
        raise ConnectionError("the conductor hung up")

    def _note(self, records: Sequence[Record]) -> None:
        if records and isinstance(records[-1].entry, AttemptFinished):
            self._last = records[-1].seq

    async def _pass_down(self, down: _Down, conversation: Conversation) -> None:
        async for item in down:
            if not isinstance(item, int):
                await conversation.say(item)
                continue
            await conversation.say(Stored(item))
            if self._last is not None and item >= self._last:
                with suppress(ConnectionError):
                    await conversation.say(Release())
                raise _Complete
        raise LinkDown("the journal's stream ended")

    # --- a dead one -----------------------------------------------------------------------------------------

    async def _bury(self, stream: JournalStream, down: _Down, acknowledged: int, reason: str) -> End:
        """Pass on what it left, wait until that is durable."""
        last: Record | None = None
        batch: list[Record] = []
        async for record in self._executor.leftovers(self._attempt, acknowledged):
            batch.append(record)
            last = record
            if len(batch) >= BATCH:
                await self._stored(stream, down, batch)
                batch = []
        if batch:
            await self._stored(stream, down, batch)
        return Finished() if last is not None and isinstance(last.entry, AttemptFinished) else Lost(reason)

    async def _stored(self, stream: JournalStream, down: _Down, records: Sequence[Record]) -> None:
        await stream.send(records)
        async for item in down:
            if isinstance(item, int) and item >= records[-1].seq:
                return
        raise LinkDown("the journal's stream ended")


def telling(group: BaseExceptionGroup[BaseException], *kinds: type[BaseException]) -> BaseException:
    """Of a group's errors the one that tells most: the first of the first kind that occurs, else the first of all."""
    flat = list(_flat(group))
    return next((error for kind in kinds for error in flat if isinstance(error, kind)), flat[0])


def _flat(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _flat(inner)
    else:
        yield error
