"""How a process becomes a conductor, and what this machine allows it to be apart from.

Called by the zygote in the children that it forks.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

from agent.conductor import linux
from agent.conductor.linux import New
from agent.conductor.main import conduct
from agent.conductor.place import PRIVATE
from agent.conductor.terms import TERMS, Terms
from agent.conductor.workspace import Isolation, Layout, enter, prepare
from agent.executors.process.folders import STDERR


def tell(said: socket.socket, words: dict[str, str]) -> None:
    """One message to the agent."""
    said.send(json.dumps(words).encode())


def become_conductor(assigned: int, said: socket.socket) -> None:
    """Wait for a folder's path on ``assigned``, then be its conductor. Its end without a path is ours. Never
    returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.chdir("/")
        asyncio.run(_conducted(assigned, said))
        code = 0
    except BaseException:  # noqa: BLE001 - the last frame of a process: nobody above it could hear of it
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


async def _conducted(assigned: int, said: socket.socket) -> None:
    folder = await _given(assigned)
    if folder is None:
        return
    _redirect(folder)

    def ready() -> None:
        tell(said, {"ready": str(folder)})
        said.close()

    try:
        terms = Terms.from_json((folder / TERMS).read_text())
        await conduct(terms, ready)
    except Exception as problem:
        with suppress(OSError):
            tell(said, {"failed": str(folder), "reason": f"the conductor could not start: {problem}"})
        raise


async def _given(assigned: int) -> Path | None:
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(assigned, there.set)
    await there.wait()
    loop.remove_reader(assigned)
    path = os.read(assigned, 65536)
    os.close(assigned)
    return Path(os.fsdecode(path)) if path else None


def _redirect(folder: Path) -> None:
    """Nothing of the agent's terminal is left to the conductor."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    errors = os.open(folder / STDERR, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for source, target in ((nothing, 0), (nothing, 1), (errors, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(errors)


def isolate() -> None:
    """Where we may: a namespace of processes for the next child; for an ordinary user in a namespace of users, as
    themselves. Raises OSError."""
    user, group = os.getuid(), os.getgid()
    if user == 0:
        linux.unshare(New.PIDS)
        return
    linux.unshare(New.USERS | New.PIDS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def probe() -> tuple[Isolation, str]:
    """What this machine allows, tried in a child: namespaces; else paths, with the reason."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        try:
            isolate()
            inner = os.fork()
            if inner == 0:
                _try_entering(writing)
            os.waitpid(inner, 0)
        except OSError as problem:
            os.write(writing, str(problem).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    words = os.read(reading, 4096).decode("utf-8", "replace")
    os.close(reading)
    return (Isolation.NAMESPACES, "") if words == "ok" else (Isolation.PATHS, words or "unknown reason")


def _try_entering(told: int) -> None:
    """Never returns."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            layout = Layout(Path(folder) / "try", PRIVATE)
            prepare(layout)
            enter(layout)
            os.write(told, b"ok")
    except OSError as problem:
        os.write(told, str(problem).encode())
    finally:
        os._exit(0)
