"""The place of the steps in a pod: a container for each distinct spec, /data and its like shared by all of them.

Made by the pod's main. Operations without a container of their own (clone, files, artifacts) run beside this program,
which sees the shared directories as the steps do.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import Signals
from typing import TypeVar

from agent.conductor.console import Console
from agent.conductor.place import SPOOL
from agent.conductor.pod.gate import Gate
from agent.conductor.pod.job import job
from agent.conductor.pod.terms import PodTerms
from agent.conductor.processes import Command, Process, Processes, start
from workflow.plan.nodes import Container

T = TypeVar("T")

_WORK = Path(SPOOL).parent

COMING = 900.0
"""Seconds for which a step's container is waited for when nobody says what becomes of it."""


class PodPlace:
    """The place (agent.conductor.place.Place) in a pod."""

    def __init__(self, terms: PodTerms, gates: Mapping[str, Gate], processes: Processes) -> None:
        self._terms = terms
        self._gates = gates
        self._processes = processes
        self._thread = ThreadPoolExecutor(1, "files")
        self._jobs = Path(terms.work) / "jobs"
        self._jobs.mkdir(mode=0o755, exist_ok=True)
        self._number = 0
        self._printing: tuple[str, str] | None = None

    @property
    def notice(self) -> str:
        return ""

    @property
    def contained(self) -> bool:
        return True

    @property
    def private(self) -> Path:
        return Path(self._terms.own) / "private"

    def inside(self, path: str) -> Path:
        """Shared paths are where they are; others lie in containers this program is not in, and go to the attic.
        Archives under way are nobody's but the conductor's: where gates and jobs lie is memory."""
        normal = os.path.normpath(path)
        if Path(normal).is_relative_to(SPOOL):
            return Path(self._terms.own) / "spool" / Path(normal).relative_to(SPOOL)
        if Path(normal).is_relative_to(_WORK):
            return Path(self._terms.work) / Path(normal).relative_to(_WORK)
        if self._shared(Path(normal)):
            return Path(normal)
        return Path(self._terms.own) / "attic" / normal.lstrip("/")

    def outside(self, path: str) -> Path:
        return self.inside(path)

    def reached(self, path: Path) -> Path:
        return path

    def spelt(self, text: str) -> str:
        return text

    def owns(self, path: Path) -> bool:
        return self._shared(path) or path.is_relative_to(Path(self._terms.own) / "attic")

    def _shared(self, path: Path) -> bool:
        return any(path.is_relative_to(root) for root in self._terms.shared)

    async def work(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    async def ready(self, ref: str) -> str:
        gate = self._gate(ref)
        await gate.opened(COMING)
        return gate.directory

    def command(self, ref: str, container: Container) -> tuple[str, ...]:
        return tuple(self._terms.commands.get(container.image or "", ()))

    def console(self) -> Console:
        """Two fresh pipes that only the next job is told of."""
        self._forget()
        self._number += 1
        paths = (str(self._jobs / f"{self._number}.out"), str(self._jobs / f"{self._number}.err"))
        for path in paths:
            os.mkfifo(path)
            os.chmod(path, 0o666)  # noqa: S103, PTH101 - whoever the image's user is
        self._printing = paths
        out, err = (os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC) for path in paths)
        return Console((out, err))

    async def start(self, command: Command) -> Process:
        assert self._printing is not None
        path = self._jobs / f"{self._number}.job"
        text = job(command.argv, command.env, command.directory, self._printing, self._terms.tools)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        path.chmod(0o644)
        return await self._gate(command.ref).start(path)

    async def start_outside(self, command: Command) -> Process:
        return await self._processes.run(asyncio.to_thread(start, command))

    def signal(self, number: Signals) -> None:
        self._processes.signal_all(number)
        for gate in self._gates.values():
            if gate.used:
                gate.send(number)

    async def end_all(self) -> int:
        count = await self._processes.end_all()
        for gate in self._gates.values():
            if gate.used:
                count += await gate.end()
        self._forget()
        return count

    def close(self) -> None:
        """Let every container end."""
        for gate in self._gates.values():
            gate.close()

    def _gate(self, ref: str) -> Gate:
        return self._gates[self._terms.containers[ref]]

    def _forget(self) -> None:
        """Remove the last job's pipes and script, which nobody opens any more."""
        if self._printing is not None:
            for ending in ("out", "err", "job"):
                (self._jobs / f"{self._number}.{ending}").unlink(missing_ok=True)
            self._printing = None
