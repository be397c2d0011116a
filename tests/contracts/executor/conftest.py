"""Every adapter of the Executor port, one after the other: how to make one, and how to kill a conductor behind its
back."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.conductor.workspace import Isolation
from agent.executors.process.executor import ProcessExecutor
from agent.executors.process.folders import Folders, holder
from agent.ports.executor import Executor
from tests.agent.conftest import options
from workflow.identifiers import Attempt


@dataclass
class Adapter:
    """An executor under test. ``again`` makes another one on the same state, as after a restart of the agent."""

    executor: Executor
    again: Callable[[], Executor]
    kill: Callable[[Attempt], None]


@pytest.fixture(params=list(Isolation), ids=lambda isolation: f"process-{isolation.value}")
async def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Adapter]:
    made: list[ProcessExecutor] = []

    def again() -> Executor:
        made.append(ProcessExecutor(options(tmp_path, request.param)))
        return made[-1]

    def kill(attempt: Attempt) -> None:
        pid = holder(Folders(tmp_path / "attempts").of(attempt))
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    yield Adapter(again(), again, kill)
    for found in await made[-1].held():
        await made[-1].remove(found.attempt)
    for executor in made:
        await executor.close()
