"""Processes that are no children of this one: ended, and waited for.

Called by ``muster down`` for the supervisor, and by muster.local.system for what a killed supervisor left.
"""

from __future__ import annotations

import os
import select
import signal
import time

from muster.local.state import start_time


def end(pid: int, patience: float) -> None:
    """SIGTERM, and SIGKILL where it has not ended within ``patience`` seconds. Returns when it is gone."""
    born = start_time(pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not born or start_time(pid) != born:
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        _wait(pid, born, patience)


def _wait(pid: int, born: str, patience: float) -> None:
    if hasattr(os, "pidfd_open"):
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        select.select([descriptor], [], [], patience)
        os.close(descriptor)
        return
    deadline = time.monotonic() + patience
    while start_time(pid) == born and time.monotonic() < deadline:
        time.sleep(0.05)  # this system gives no signal of a stranger's end
