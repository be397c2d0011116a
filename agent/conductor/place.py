"""Where an execution's steps run and where their files lie: as the conductor needs it.

Called by the runners of operations. One implementation here (workspace: processes of this machine); in a pod, another.
Steps speak of paths as a pod has them: /data, /testkube, /tmp, /.tktw are the execution's own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from signal import Signals
from typing import Protocol, TypeVar

from agent.conductor.console import Console
from agent.conductor.processes import Command, Process
from workflow.plan.nodes import Container

T = TypeVar("T")

PRIVATE = ("data", "testkube", "tmp", ".tktw")
"""Top-level directories that every execution has for itself."""
OUTPUTS = "/testkube/outputs"
"""Where a step leaves its outputs, a file each."""
READY = "ready"
"""In a place's private folder: the mark of a service whose ``exec`` probe holds."""
SPOOL = "/.tktw/spool"
"""Where the conductor keeps archives under way."""
SCRIPTS = "/.tktw/scripts"
"""Where a script lies that its shell reads from a file; gone with its process, since it may hold a secret."""


class Place(Protocol):
    """The workspace of one execution."""

    @property
    def notice(self) -> str:
        """A sentence for the user on what is not as in a pod; empty where nothing is to be said."""
        ...

    @property
    def contained(self) -> bool:
        """Whether each step runs in a container of its image, with its resources."""
        ...

    @property
    def private(self) -> Path:
        """A directory for this program's own helpers, which steps do not see where that can be had."""
        ...

    def inside(self, path: str) -> Path:
        """Where ``work`` finds what steps call ``path`` (absolute)."""
        ...

    def outside(self, path: str) -> Path:
        """Where this program, outside of ``work``, finds what steps call ``path`` (absolute)."""
        ...

    def reached(self, path: Path) -> Path:
        """Where this program, outside of ``work``, finds what ``work`` found at ``path``."""
        ...

    def spelt(self, text: str) -> str:
        """A text for a step (script, argument, value), its paths as they must be written here."""
        ...

    def owns(self, path: Path) -> bool:
        """Whether ``path``, as ``work`` sees it and with links resolved, lies in what is the execution's own."""
        ...

    async def work(self, job: Callable[[], T]) -> T:
        """Do blocking work on the steps' files. One at a time."""
        ...

    async def ready(self, ref: str) -> str:
        """Wait until a process of the step can be started; the directory in which one runs that names none."""
        ...

    def command(self, ref: str, container: Container) -> tuple[str, ...]:
        """What a step runs that names neither shell nor command; nothing where that is not known."""
        ...

    def console(self) -> Console:
        """Pipes for what the next process prints that ``start`` begins."""
        ...

    async def start(self, command: Command) -> Process:
        """Start a process among the steps. ``command.directory`` is a path as steps have it. Raises OSError."""
        ...

    async def start_outside(self, command: Command) -> Process:
        """Start a helper of the conductor's own, which sees what this program sees. Raises OSError."""
        ...

    def signal(self, number: Signals) -> None:
        """Signal everything that runs."""
        ...

    async def end_all(self) -> int:
        """Kill everything that runs; how many processes there were."""
        ...
