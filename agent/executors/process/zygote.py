"""The zygote: a small process, everything imported, one thread, that forks a conductor in a few milliseconds.

Started by the nursery as ``python -m agent.executors.process.zygote FD``. FD is a socket of whole messages. Heard on
it: a folder's path, in which terms and bundle lie. Said on it, as JSON: first how steps can be isolated here; then of
each folder that its conductor is ready or failed. It ends with the agent. Conductors outlive it: they are in sessions
of their own.
"""

from __future__ import annotations

import gc
import json
import os
import select
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
from agent.executors.process.folders import STDERR, note_exit

MAX_SAID = 64 * 1024


class Zygote:
    """Forks conductors and takes the exit of those that end while it lives."""

    def __init__(self, said: socket.socket) -> None:
        self._said = said
        self._folders: dict[int, Path] = {}

    def serve(self) -> None:
        """Until the agent is gone."""
        linux.adopt_orphans()
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        gc.collect()
        gc.freeze()  # so that forks share all of it
        while True:
            ready, _, _ = select.select([self._said.fileno(), reading], [], [])
            if reading in ready:
                with suppress(BlockingIOError):
                    os.read(reading, 4096)
                self._reap()
            if self._said.fileno() in ready:
                message = self._said.recv(MAX_SAID)
                if not message:
                    return
                self._launch(Path(os.fsdecode(message)))

    def _launch(self, folder: Path) -> None:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        between = os.fork()
        if between == 0:
            _between(folder, self._said, writing)
        os.close(writing)
        pid = os.read(reading, 32)
        os.close(reading)
        os.waitpid(between, 0)
        if pid:
            self._folders[int(pid)] = folder
        self._reap()

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if folder := self._folders.pop(pid, None):
                    note_exit(folder, os.waitstatus_to_exitcode(status))


def _between(folder: Path, said: socket.socket, told: int) -> None:
    """The process between zygote and conductor: makes the namespaces that only a child can enter. Never returns."""
    try:
        terms = Terms.from_json((folder / TERMS).read_text())
        if terms.isolation is Isolation.NAMESPACES:
            isolate()
        conductor = os.fork()
        if conductor == 0:
            _become_conductor(terms, said)
        os.write(told, str(conductor).encode())
    except OSError as problem:
        tell(said, {"failed": str(folder), "reason": str(problem)})
    finally:
        os._exit(0)


def isolate() -> None:
    """Where we may: a namespace of processes for the next child; for an ordinary user in a namespace of users, as
    themselves."""
    user, group = os.getuid(), os.getgid()
    if user == 0:
        linux.unshare(New.PIDS)
        return
    linux.unshare(New.USERS | New.PIDS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _become_conductor(terms: Terms, said: socket.socket) -> None:
    """Never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.chdir("/")
        _redirect(Path(terms.folder))

        def ready() -> None:
            tell(said, {"ready": terms.folder})
            said.close()

        conduct(terms, ready)
        code = 0
    except BaseException as problem:  # noqa: BLE001 - the last frame of a process: nobody above it could hear of it
        traceback.print_exc()
        sys.stderr.flush()
        with suppress(OSError):
            tell(said, {"failed": terms.folder, "reason": f"the conductor could not start: {problem}"})
    finally:
        os._exit(code)


def _redirect(folder: Path) -> None:
    """Nothing of the agent's terminal is left to the conductor."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    errors = os.open(folder / STDERR, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for source, target in ((nothing, 0), (nothing, 1), (errors, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(errors)


def tell(said: socket.socket, words: dict[str, str]) -> None:
    """One message to the agent."""
    said.send(json.dumps(words).encode())


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


def main() -> None:
    """The program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the agent's business
    said = socket.socket(fileno=int(sys.argv[1]))
    said.set_inheritable(False)
    asked = Isolation(sys.argv[2]) if len(sys.argv) > 2 else None
    isolation, why = (Isolation.PATHS, "") if asked is Isolation.PATHS else probe()
    with suppress(BrokenPipeError):  # the agent is gone already
        tell(said, {"isolation": isolation.value, "why": why})
        Zygote(said).serve()


if __name__ == "__main__":
    main()
