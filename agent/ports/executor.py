"""What runs conductors: as local processes, as pods in a cluster, or scripted for tests.

Called by agent.relay alone. Adapters: agent.executors.process, agent.executors.kubernetes; all pass the contract
suite tests/contracts/executor. An executor knows nothing of the control plane, journals or leases: it starts
conductors, finds them again, talks to them and removes every trace of them.

Order: launch, then connect as often as needed, then remove. After a restart of the agent: held, then connect.
Everything is idempotent by attempt, so that an agent that was killed between two calls may repeat the first.
Concurrent calls for different attempts are allowed, for one attempt they are not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from agent.ports.conductor import FromConductor, ToConductor
from workflow.identifiers import Attempt
from workflow.journal import Record
from workflow.session import Assign


class CannotLaunch(Exception):
    """The attempt was not launched and left nothing behind. ``final``: this executor will never take it (the sentence
    says why: an image it cannot honour, a policy); else a lack that may pass (no disk, no process slots).
    """

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


class ConductorGone(Exception):
    """There is no conductor for this attempt any more. ``reason`` says in words what became of it (exit code, OOM,
    pod evicted).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Conversation(Protocol):
    """An open connection with a conductor (after Attach). One reader, one writer."""

    async def say(self, message: ToConductor) -> None:
        """Send; waits while the socket's buffer is full. ConnectionError where it broke."""
        ...

    def received(self) -> AsyncIterator[FromConductor]:
        """What the conductor says, in order; ends where the connection ends. One reader."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """A trace of an attempt that was found here: its conductor may be alive or not."""

    attempt: Attempt
    alive: bool


Ear = Callable[[Attempt, tuple[str, ...]], Awaitable[None]]
"""Hears notes on an attempt."""


class Executor(Protocol):
    """The port."""

    @property
    def kind(self) -> str:
        """``process``, ``kubernetes``: what Hello says."""
        ...

    async def launch(self, assign: Assign) -> None:
        """Start a conductor for this bundle; returns when it exists (not when it runs). Launching again what exists
        does nothing. Raises CannotLaunch.
        """
        ...

    def connect(self, attempt: Attempt, acknowledged: int) -> AbstractAsyncContextManager[Conversation]:
        """Connect and Attach, waiting for the conductor to come up. Raises ConductorGone; ConnectionError where it
        may come back.
        """
        ...

    async def held(self) -> tuple[Found, ...]:
        """Every attempt of which a trace exists here."""
        ...

    def leftovers(self, attempt: Attempt, after: int) -> AsyncIterator[Record]:
        """The records with numbers above ``after`` that a dead conductor left on disk, as far as they can still be
        read.
        """
        ...

    async def reachable(self, attempt: Attempt) -> str:
        """Wait until the service that this attempt is answers (where it has a probe) or can be reached; its address.
        Raises ConductorGone."""
        ...

    def hear(self, ear: Ear) -> None:
        """Have what stands in the way of attempts told to ``ear``, in the words of where they run: each time all that
        there is, and before ``connect`` raises ConductorGone for what it explains. Set once, before anything runs."""
        ...

    async def remove(self, attempt: Attempt) -> None:
        """End the conductor and its steps if they still run, and remove every trace. Also for an unknown attempt."""
        ...

    async def close(self) -> None:
        """Release what the executor holds; conductors go on."""
        ...
