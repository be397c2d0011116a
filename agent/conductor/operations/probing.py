"""An ``exec`` readiness probe of a service that is a process: tried beside it, in its own view of files.

Called by ``process``. A kubelet does this in a pod; here nobody else stands where the service stands. Once the probe
holds, a mark appears that the executor looks for (``READY`` in the workspace's folder).
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from signal import SIGKILL
from typing import Any, Final

from agent.conductor.place import READY
from agent.conductor.processes import Command
from agent.conductor.stage import Stage

_FIRST: Final = 0.05  # seconds; tries begin quickly and slow down to the probe's own period
_LONGEST: Final = 3600.0


@dataclass(frozen=True, slots=True)
class _Probe:
    """What is tried, and how often; times in seconds."""

    argv: Sequence[str]
    delay: float
    period: float
    timeout: float
    successes: int


@asynccontextmanager
async def probed(stage: Stage, env: Mapping[str, str], directory: str) -> AsyncIterator[None]:
    """Within, the probe of the execution is tried until it holds, if it has one that is to be tried here."""
    probe = _probe(stage.around.probe)
    if probe is None or stage.place.contained:
        yield
        return
    async with asyncio.TaskGroup() as tasks:
        trying = tasks.create_task(_until_ready(stage, probe, env, directory))
        yield
        trying.cancel()


async def _until_ready(stage: Stage, probe: _Probe, env: Mapping[str, str], directory: str) -> None:
    await asyncio.sleep(probe.delay)
    wait, held = _FIRST, 0
    while held < probe.successes:
        if held or wait > _FIRST:
            await asyncio.sleep(wait)
        held = held + 1 if await _tried(stage, probe, env, directory) else 0
        wait = min(wait * 2, probe.period)
    (stage.place.private / READY).touch()


async def _tried(stage: Stage, probe: _Probe, env: Mapping[str, str], directory: str) -> bool:
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        process = await stage.place.start(Command(probe.argv, env, directory, nowhere, nowhere, stage.ref))
    except OSError:
        return False  # as a kubelet has it: a command that is not there has failed
    finally:
        os.close(nowhere)
    try:
        async with asyncio.timeout(probe.timeout):
            return await asyncio.shield(process.exited) == 0
    except TimeoutError:
        return False
    finally:
        if not process.exited.done():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, SIGKILL)


def _probe(text: str) -> _Probe | None:
    said: Mapping[str, Any] = json.loads(text) if text else {}
    match said:
        case {"exec": {"command": [str(), *_] as argv}}:
            return _Probe(
                argv=[str(word) for word in argv],
                delay=_seconds(said, "initialDelaySeconds", 0),
                period=max(_seconds(said, "periodSeconds", 10), _FIRST),
                timeout=max(_seconds(said, "timeoutSeconds", 1), 0.1),
                successes=max(int(_seconds(said, "successThreshold", 1)), 1),
            )
        case _:
            return None


def _seconds(said: Mapping[str, Any], field: str, default: float) -> float:
    value = said.get(field)
    return min(max(float(value), 0), _LONGEST) if isinstance(value, int | float) else default
