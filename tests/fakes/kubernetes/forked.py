"""Conductors forked from a process that has imported everything already: a second saved for each pod of a test."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["agent.conductor.pod.main", "agent.conductor.pod.executing"])


class Forked:
    """Like asyncio's process, as far as the kubelet looks."""

    def __init__(self, folder: str) -> None:
        self._process: ForkServerProcess = _server.Process(target=_conduct, args=(folder, os.getcwd()), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended."""
        return self._process.exitcode

    async def wait(self) -> int:
        """Until it has ended."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        return self._process.exitcode or 0


def _conduct(folder: str, directory: str) -> None:
    from agent.conductor.pod import early
    from agent.conductor.pod.main import main

    with suppress(PermissionError):
        os.setsid()
    os.chdir(directory)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nothing, descriptor)
    main(Path(folder), *early.begin(Path(folder)))
