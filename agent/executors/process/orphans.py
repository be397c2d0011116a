"""Steps whose conductor is gone, where no namespace ended them with it. Called by the executor when it removes an
attempt."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from workflow.identifiers import Attempt

_NAME = "MUSTER_ATTEMPT"


def mark(attempt: Attempt) -> dict[str, str]:
    """The variable by which an attempt's processes are known."""
    return {_NAME: str(attempt)}


def kill_orphans(attempt: Attempt) -> None:
    """Kill every process that bears the attempt's mark, again and again until there is none."""
    wanted = f"{_NAME}={attempt}".encode()
    while found := [pid for pid in _processes() if wanted in _environment(pid)]:
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _processes() -> list[int]:
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [number for number in numbers if number != os.getpid()]


def _environment(pid: int) -> list[bytes]:
    """What the process was started with; nothing for one that ended or is another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
