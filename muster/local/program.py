"""One program of the embedded system: started, heard until it is ready, watched, stopped.

A program says that it is ready by one line of JSON on standard output; everything else that it says goes to its log
file. Called by muster.local.system.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

READY_WITHIN = 30.0
"""Seconds that a program may take to become ready."""


class ProgramFailed(Exception):
    """A program ended, or was not ready in time. The message holds its own last words."""


class Program:
    """A running program. Made by ``start``."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> Program:
        """Start ``command`` in a session of its own, so that a Ctrl-C reaches the supervisor alone, which then stops
        the rest in order."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ready(self) -> dict[str, str]:
        """What its ready line says. ProgramFailed where it ends before, or takes too long."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_WITHIN):
                while line := await self._process.stdout.readline():
                    with contextlib.suppress(ValueError):
                        said = json.loads(line)
                        if isinstance(said, dict):
                            return {str(key): str(value) for key, value in said.items()}
        except TimeoutError:
            self.kill()
            raise ProgramFailed(f"{self.name} was not ready within {READY_WITHIN:.0f} s{self.last_words()}") from None
        await self._process.wait()
        raise ProgramFailed(f"{self.name} did not start{self.last_words()}")

    async def ended(self) -> int:
        """Wait for its end; its exit code. Reads on what it prints, so that it never blocks."""
        assert self._process.stdout is not None
        with self._log.open("ab") as sink:
            while chunk := await self._process.stdout.read(65536):
                sink.write(chunk)
        return await self._process.wait()

    async def stop(self, patience: float = 10.0) -> None:
        """SIGTERM, and SIGKILL where that does not help within ``patience`` seconds."""
        if self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(patience):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """SIGKILL, now."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def last_words(self) -> str:
        """The end of its log, to be put behind a sentence."""
        try:
            lines = self._log.read_bytes()[-4000:].decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return ":\n  " + "\n  ".join(lines[-6:]) if lines else ""
