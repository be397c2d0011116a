"""What the runner of an operation works with. Made by the host for each run of each operation."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from signal import SIGSTOP

from agent.conductor.exchange import Exchange
from agent.conductor.failure import Failure
from agent.conductor.journal import Journal
from agent.conductor.output import Printed, Tokens, no_tokens
from agent.conductor.place import Place
from workflow.identifiers import Attempt, StepRef
from workflow.plan.nodes import Json


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is the same for every operation of an execution."""

    attempt: Attempt
    place: Place
    journal: Journal
    exchange: Exchange
    env: Mapping[str, str]
    """What every process has in its environment."""
    shell: tuple[str, ...]
    """The workflow shell: what stands before ``-c`` or a script's path."""
    common: Mapping[str, str] = field(default_factory=dict)
    """And what the workflow's own container adds: for operations that are no process. Known once it begins."""
    values: Mapping[str, str] = field(default_factory=dict)
    """``secret/<name>/<key>`` and ``config/<name>/<key>`` -> value."""
    probe: str = ""
    """The readiness probe of a service, as JSON."""
    tokens: Tokens = no_tokens
    """What is masked besides the secrets among ``values``."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that are masked."""
        return (*(value for name, value in self.values.items() if name.startswith("secret/")), *self.tokens())


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of one operation."""

    around: Surroundings
    ref: StepRef
    names: Mapping[str, Json]
    printed: Printed
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set when the operation is to end: long work on files looks at it."""
    suspended: threading.Event = field(default_factory=threading.Event)
    """Set while the execution is paused: a process that begins only then is stopped at once."""

    @property
    def place(self) -> Place:
        """Where the steps are."""
        return self.around.place

    def began(self) -> None:
        """Called when a process of the operation has begun. A pause that came while it was being started found
        nothing that it could have stopped."""
        if self.suspended.is_set():
            self.place.signal(SIGSTOP)

    def check(self) -> None:
        """Called by long work in between. Raises ``Failure`` once the operation is to end."""
        if self.stopped.is_set():
            raise Failure("stopped")
