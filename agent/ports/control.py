"""The control plane as an agent needs it: a conversation, journals, files.

Called by agent.relay. Adapters: agent.link (gRPC over mutual TLS) and the tests' in-memory twin. Every method may
raise ``LinkDown`` (try again), ``Refused`` (a person must act) or ``Fenced`` (give up), from workflow.session.
Cancelling any of them is safe.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from workflow.identifiers import Attempt
from workflow.journal import Directive, Record
from workflow.session import AgentSays, ControlSays, FileOffer, FilePosition, Hello, Welcome


class Session(Protocol):
    """One session of this agent. Over when ``received`` ends or raises."""

    @property
    def welcome(self) -> Welcome:
        """What the control plane answered to Hello."""
        ...

    async def say(self, message: AgentSays) -> None:
        """Send; returns when it is handed to the transport. Ordered."""
        ...

    def received(self) -> AsyncIterator[ControlSays]:
        """What the control plane says, in order. One reader. Raises LinkDown where the link breaks."""
        ...


class JournalStream(Protocol):
    """The journal of one attempt, going up. One writer, one reader."""

    async def send(self, records: Sequence[Record]) -> None:
        """Send the next records, in order, without gaps. Waits while the transport's window is full."""
        ...

    def received(self) -> AsyncIterator[int | Directive]:
        """An ``int`` is the highest number that is durable (the first item, at once, is where to go on from); else a
        directive.
        """
        ...


class Control(Protocol):
    """The port."""

    def session(self, hello: Hello) -> AbstractAsyncContextManager[Session]:
        """Say Hello, wait for Welcome (at most 10 s), hold the session while the context is open."""
        ...

    def journal(self, attempt: Attempt) -> AbstractAsyncContextManager[JournalStream]:
        """Open the journal of an attempt that this agent holds."""
        ...

    async def begin_upload(self, offer: FileOffer) -> FilePosition:
        """Begin, or find again, an upload."""
        ...

    async def upload(self, position: FilePosition, chunks: AsyncIterator[bytes]) -> FilePosition:
        """Send chunks (each at most 512 KiB) from ``position.offset`` on; the answer says how far it came."""
        ...

    def download(self, attempt: Attempt, digest: str, offset: int) -> AsyncIterator[bytes]:
        """The bytes of a transfer blob of the attempt's run from ``offset`` on."""
        ...
