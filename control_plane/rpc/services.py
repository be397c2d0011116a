"""What the handlers need of the services, as protocols: the services fit them by their shape, the tests' fakes as well.

Called by the handlers of this package alone. An exception raised by any of these is an answer;
control_plane.rpc.answers says which.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from control_plane.services.enrolment import Grant
from workflow.identifiers import AgentName, Attempt
from workflow.journal import Directive, Record
from workflow.session import AgentSays, ControlSays, FileOffer, FilePosition, Hello, Welcome


class Trust(Protocol):
    """services.enrolment, as far as agents reach it."""

    async def admit(self, name: AgentName, serial: str) -> object:
        """Refused where this certificate is not in force."""
        ...

    async def renew(self, name: AgentName, serial: str, csr_der: bytes) -> Grant:
        """Refused, BadRequest."""
        ...


class OpenSession(Protocol):
    """One session of one agent."""

    @property
    def welcome(self) -> Welcome: ...

    async def heard(self, message: AgentSays) -> None: ...

    def attend(self, bell: Callable[[], None]) -> None:
        """Ring ``bell`` whenever there is something for ``next``, from now on."""
        ...

    def unattended(self) -> None:
        """Ring nobody any more."""
        ...

    def next(self) -> ControlSays | None:
        """None where there is nothing to say now; Fenced when a newer session replaced it, Refused when the agent was
        revoked."""
        ...

    async def close(self) -> None: ...


class Sessions(Protocol):
    """services.sessions."""

    async def open(self, agent: AgentName, hello: Hello) -> OpenSession:
        """Refused, Fenced."""
        ...


class OpenJournal(Protocol):
    """The journal of one attempt while its agent sends it."""

    @property
    def acknowledged(self) -> int: ...

    async def append(self, records: Sequence[Record]) -> int:
        """The highest durable number. Called by one task, one after another."""
        ...

    def directives(self) -> AsyncIterator[Directive]: ...

    async def close(self) -> None: ...


class Progress(Protocol):
    """services.progress."""

    async def open(self, agent: AgentName, attempt: Attempt) -> OpenJournal:
        """Fenced for old or ended attempts, LookupError for unknown ones, Refused where the agent does not hold it."""
        ...


class Artifacts(Protocol):
    """services.artifacts."""

    async def begin(self, agent: AgentName, offer: FileOffer) -> FilePosition: ...

    async def append(self, agent: AgentName, upload: str, offset: int, data: bytes) -> FilePosition: ...

    def download(self, agent: AgentName, attempt: Attempt, digest: str, offset: int) -> AsyncIterator[bytes]: ...
