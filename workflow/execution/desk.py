"""What every part of the state machine writes on: the time of the present event, and the commands that follow from it.

Used inside workflow.execution alone.
"""

from __future__ import annotations

from workflow.execution.events import Command, Write
from workflow.identifiers import Instant
from workflow.journal import Entry


class Desk:
    """The present instant and the commands so far."""

    __slots__ = ("_commands", "now")

    def __init__(self) -> None:
        self.now = Instant(0)
        self._commands: list[Command] = []

    def order(self, command: Command) -> None:
        """Ask the host for ``command``, after all that was asked before."""
        self._commands.append(command)

    def write(self, entry: Entry) -> None:
        """Ask the host to append ``entry`` to the journal."""
        self._commands.append(Write(entry))

    def taken(self) -> tuple[Command, ...]:
        """All commands since the last call, in order."""
        taken = tuple(self._commands)
        self._commands.clear()
        return taken
