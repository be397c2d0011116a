"""Where the embedded system keeps its things, and how the command line finds it.

    <state>/control-plane/     the control plane's own state (database, journals, artifacts, certificate authority)
    <state>/agents/<name>/     an agent's own state (identity, conductors)
    <state>/logs/<name>.log    what each program says
    <state>/endpoint.json      0600: address and token, while it runs
    <state>/supervisor.pid     process id and start time of ``muster up``
    <state>/programs/<name>    the same of each program that it started

Called by muster.local.system and the command line. The directory is private to its owner (0700).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


class NotRunning(Exception):
    """No embedded system runs on this state directory."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where people reach a control plane."""

    url: str
    token: str


def default_directory() -> Path:
    """``$MUSTER_STATE``, else ``muster`` below ``$XDG_STATE_HOME`` (``~/.local/state``)."""
    if chosen := os.environ.get("MUSTER_STATE"):
        return Path(chosen)
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "muster"


@dataclass(frozen=True, slots=True)
class LocalState:
    """The state directory of one embedded system."""

    directory: Path

    @property
    def control_plane(self) -> Path:
        """The control plane's state."""
        return self.directory / "control-plane"

    def agent(self, name: str) -> Path:
        """An agent's state."""
        return self.directory / "agents" / name

    def log(self, name: str) -> Path:
        """What a program says."""
        return self.directory / "logs" / f"{name}.log"

    def prepare(self) -> None:
        """Make the directories. OSError where that is not possible."""
        for name in ("", "agents", "logs", "programs"):
            path = self.directory / name
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def announce(self, endpoint: Endpoint) -> None:
        """Say that the system runs: the endpoint appears whole or not at all, readable by its owner only."""
        write_private(self.directory / "endpoint.json", json.dumps(asdict(endpoint)))

    def withdraw(self) -> None:
        """Say that it runs no more."""
        for name in ("endpoint.json", "supervisor.pid"):
            (self.directory / name).unlink(missing_ok=True)

    def endpoint(self) -> Endpoint:
        """Where the running system is reached; NotRunning where none runs."""
        try:
            return Endpoint(**json.loads((self.directory / "endpoint.json").read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise NotRunning(f"no control plane runs on {self.directory}") from error

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Be the supervisor while the context is open: of several that try at once one is, and where it is killed the
        next may be. FileExistsError where another one lives."""
        with (self.directory / "supervisor.lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                other = self.supervisor()
                which = f"process {other}" if other is not None else "another process starts it just now"
                raise FileExistsError(
                    f"muster is already up on {self.directory} ({which}); end it with `muster down`, "
                    "or use another state directory with --state"
                ) from None
            write_private(self.directory / "supervisor.pid", f"{os.getpid()} {start_time(os.getpid())}")
            try:
                yield
            finally:
                self.withdraw()

    def supervisor(self) -> int | None:
        """The process id of the living supervisor. A reused id is not mistaken for it: its start time is compared."""
        with contextlib.suppress(OSError, ValueError):
            pid, started = (self.directory / "supervisor.pid").read_text().split()
            if start_time(int(pid)) == started:
                return int(pid)
        return None

    def started(self, name: str, pid: int) -> None:
        """Note that a program runs, so that whoever comes after a killed supervisor can end it."""
        write_private(self.directory / "programs" / name, f"{pid} {start_time(pid)}")

    def leftovers(self) -> dict[str, int]:
        """The programs that still run, by name, the control plane last. A reused id is not mistaken for one."""
        found: dict[str, int] = {}
        notes = [path for path in (self.directory / "programs").glob("*") if not path.name.startswith(".")]
        for note in sorted(notes, key=lambda path: (path.name == "control-plane", path.name)):
            with contextlib.suppress(OSError, ValueError):
                pid, started = note.read_text().split()
                if start_time(int(pid)) == started:
                    found[note.name] = int(pid)
        return found


def start_time(pid: int) -> str:
    """When a process started, in the kernel's ticks; empty where there is none, or where the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _alive(pid)
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _alive(pid: int) -> str:
    """Without /proc (macOS): whether it lives is all that can be said."""
    if Path("/proc/self").exists():
        return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "?"


def write_private(path: Path, text: str) -> None:
    """Replace a file's content at once, mode 0600."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
