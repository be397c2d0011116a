"""A place on this machine: the execution's own /data, /testkube, /tmp and /.tktw, and processes that see them there.

Made by the conductor's main. Two ways, one of which every Linux allows:

* namespaces: one thread of the conductor moves into a mount namespace whose root is made of the machine's top-level
  entries and the execution's own directories; steps are started by that thread and inherit its view, and work on their
  files is done there. The rest of the conductor keeps the machine's view.
* paths: the own directories are real ones below the attempt's, and every path in scripts, arguments, values and working
  directories is rewritten.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from signal import Signals
from typing import TypeVar

from agent.conductor import linux
from agent.conductor.console import Console
from agent.conductor.linux import Mount, New
from agent.conductor.place import PRIVATE
from agent.conductor.processes import Command, Process, Processes, start
from workflow.plan.nodes import Container

T = TypeVar("T")

_BEFORE = r"(?<![\w.\-/~})\]*?%@+$\\])"
_AFTER = r"(?![\w.\-])"


class Isolation(StrEnum):
    """How steps come to see their own directories."""

    NAMESPACES = "namespaces"
    PATHS = "paths"


@dataclass(frozen=True, slots=True)
class Layout:
    """What the workspace is made of."""

    folder: Path
    """The attempt's own directories stand here, and the mount point of the root."""
    private: tuple[str, ...] = PRIVATE
    """Top-level names that are the execution's own."""
    keep: tuple[str, ...] = ()
    """Paths of the machine below private names that stay visible (the interpreter, say)."""
    hide: tuple[str, ...] = ()
    """Directories of the machine that steps shall not see (the agent's state)."""

    def own(self, name: str) -> Path:
        """The directory behind a private top-level name."""
        return self.folder / name.lstrip(".")


def prepare(layout: Layout) -> None:
    """Make the directories."""
    layout.folder.mkdir(mode=0o755, exist_ok=True)
    for name in layout.private:
        layout.own(name).mkdir(exist_ok=True)
        layout.own(name).chmod(0o1777 if name == "tmp" else 0o777)
    for path in ("outputs",):
        (layout.own("testkube") / path).mkdir(exist_ok=True)
    for path in ("spool", "scripts"):
        (layout.own(".tktw") / path).mkdir(exist_ok=True)


def enter(layout: Layout) -> None:
    """Move the calling thread into a namespace with the layout's root. Raises OSError where the kernel does not allow
    it."""
    linux.unshare(New.MOUNTS)
    linux.mount("none", "/", flags=Mount.RECURSIVE | Mount.PRIVATE)
    root = layout.folder / "root"
    root.mkdir(exist_ok=True)
    linux.mount("muster", str(root), "tmpfs", data="mode=755")
    for entry in os.scandir("/"):
        if entry.name not in {*layout.private, "proc"}:
            _bind_entry(entry, root / entry.name)
    for name in layout.private:
        (root / name).mkdir()
        linux.mount(str(layout.own(name)), str(root / name), flags=Mount.BIND)
    (root / "proc").mkdir()
    linux.mount("proc", str(root / "proc"), "proc", Mount.NO_SUID | Mount.NO_DEV | Mount.NO_EXEC)
    for path in layout.keep:
        _keep(Path(path), layout.private, root)
    for path in layout.hide:
        _hide(root / path.lstrip("/"))
    linux.pivot_root(str(root))


def _bind_entry(entry: os.DirEntry[str], target: Path) -> None:
    if entry.is_symlink():
        target.symlink_to(os.readlink(entry.path))  # noqa: PTH115 - relative as it stands
        return
    if entry.is_dir():
        target.mkdir()
    else:
        target.touch()
    linux.mount(entry.path, str(target), flags=Mount.BIND | Mount.RECURSIVE)


def _keep(path: Path, private: Sequence[str], root: Path) -> None:
    if len(path.parts) < 3 or path.parts[1] not in private or not path.is_dir():
        return
    target = root.joinpath(*path.parts[1:])
    target.mkdir(parents=True, exist_ok=True)
    linux.mount(str(path), str(target), flags=Mount.BIND | Mount.RECURSIVE)


def _hide(target: Path) -> None:
    if target.is_dir():
        linux.mount("muster", str(target), "tmpfs", Mount.READ_ONLY, "size=4k")


class Workspace:
    """The place (agent.conductor.place.Place) on this machine."""

    def __init__(self, layout: Layout, isolation: Isolation, processes: Processes, why: str = "") -> None:
        """``why`` there are no namespaces, where there are none. ``made`` is how one is had."""
        self._layout = layout
        self._isolation = isolation
        self._processes = processes
        self._why = why
        self._thread = ThreadPoolExecutor(1, "workspace")

    @classmethod
    async def made(cls, layout: Layout, isolation: Isolation, processes: Processes, why: str = "") -> Workspace:
        """A workspace, its directories made and its namespaces entered. Raises OSError where that fails."""
        workspace = cls(layout, isolation, processes, why)
        await workspace.work(lambda: prepare(layout))
        if isolation is Isolation.NAMESPACES:
            await workspace.work(lambda: enter(layout))
        return workspace

    @property
    def notice(self) -> str:
        if self._isolation is Isolation.NAMESPACES:
            return ""
        return (
            f"This machine gives no namespace ({self._why or 'not asked for'}): /data, /testkube and /tmp are "
            f"directories below {self._layout.folder}, and paths in scripts and values are rewritten."
        )

    @property
    def contained(self) -> bool:
        return False

    @property
    def private(self) -> Path:
        return self._layout.folder

    def inside(self, path: str) -> Path:
        return Path(path) if self._isolation is Isolation.NAMESPACES else self.outside(path)

    def outside(self, path: str) -> Path:
        parts = Path(os.path.normpath(path)).parts
        if len(parts) > 1 and parts[1] in self._layout.private:
            return self._layout.own(parts[1]).joinpath(*parts[2:])
        return Path(path)

    def reached(self, path: Path) -> Path:
        return self.outside(str(path)) if self._isolation is Isolation.NAMESPACES else path

    def spelt(self, text: str) -> str:
        if self._isolation is Isolation.NAMESPACES:
            return text
        names = "|".join(map(re.escape, self._layout.private))
        pattern = f"{_BEFORE}/({names}){_AFTER}"
        return re.sub(pattern, lambda found: str(self._layout.own(found.group(1))), text)

    def owns(self, path: Path) -> bool:
        roots: Iterable[Path] = map(self.inside, (f"/{name}" for name in self._layout.private))
        return any(path.is_relative_to(root) for root in roots)

    async def work(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    async def ready(self, ref: str) -> str:
        return "/data"

    def command(self, ref: str, container: Container) -> tuple[str, ...]:
        return ()

    def console(self) -> Console:
        return Console()

    async def start(self, command: Command) -> Process:
        def begin() -> int:
            directory = self.inside(command.directory)
            directory.mkdir(parents=True, exist_ok=True)
            return start(Command(command.argv, command.env, str(directory), command.stdout, command.stderr))

        return await self._processes.run(self.work(begin))

    async def start_outside(self, command: Command) -> Process:
        return await self._processes.run(asyncio.to_thread(start, command))

    def signal(self, number: Signals) -> None:
        self._processes.signal_all(number)

    async def end_all(self) -> int:
        return await self._processes.end_all()
