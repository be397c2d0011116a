"""One conductor, from its first entry to its release. Called in a process of its own by whatever starts conductors.

It must not know the control plane, gRPC, or how it was started. Before it is called, its folder holds the bundle; it
holds the folder's lock until it ends, by which everybody can see that it lives.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.conductor import linux
from agent.conductor.attendance import Attendance
from agent.conductor.clock import now
from agent.conductor.exchange import Exchange
from agent.conductor.frames import decode_to
from agent.conductor.host import Host
from agent.conductor.journal import Journal
from agent.conductor.place import PRIVATE
from agent.conductor.processes import Processes
from agent.conductor.server import BUFFER, Server
from agent.conductor.stage import Surroundings
from agent.conductor.terms import BUNDLE, JOURNAL, LOCK, SOCKET, WORKSPACE, Terms
from agent.conductor.workspace import Isolation, Layout, Workspace
from workflow.journal import AttemptFinished, AttemptStarted
from workflow.plan.encode import BadPlan, from_bytes
from workflow.plan.nodes import Clone, FetchTarball, Plan, Run, WriteFiles, leaves
from workflow.session import Bundle
from workflow.states import ExecutionState


async def conduct(terms: Terms, ready: Callable[[], None]) -> None:
    """Run the conductor to its end. ``ready`` is called once it can be connected to. The calling process is the
    conductor's own."""
    folder = Path(terms.folder)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    listening = _listen(folder)
    ready()
    if terms.isolation is Isolation.PATHS:
        linux.adopt_orphans()
    await _conducted(terms, folder, listening)


def _listen(folder: Path) -> socket.socket:
    """A socket in the folder, however long the folder's path."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileNotFoundError):
            (folder / SOCKET).unlink()
        listening.bind(f"/proc/self/fd/{descriptor}/{SOCKET}")
        listening.listen(8)
    finally:
        os.close(descriptor)
    return listening


async def _conducted(terms: Terms, folder: Path, listening: socket.socket) -> None:
    bundle = decode_to((folder / BUNDLE).read_bytes())
    assert isinstance(bundle, Bundle)
    journal, exchange = Journal(folder / JOURNAL), Exchange()
    conductor = Attendance(terms.alone, folder.exists)
    server = Server(bundle.attempt, journal, exchange, conductor)
    await journal.write(AttemptStarted(now(), f"muster {terms.version}".strip(), terms.host))
    listener = await asyncio.start_unix_server(server.accept, sock=listening, limit=BUFFER)
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(conductor.watch())
        await _executed(terms, bundle, _Parts(journal, exchange, conductor))
        await conductor.release.wait()
        watch.cancel()
    listener.close()
    journal.close()


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the parts of one conductor share."""

    journal: Journal
    exchange: Exchange
    conductor: Attendance


async def _executed(terms: Terms, bundle: Bundle, parts: _Parts) -> None:
    """Run the plan to the journal's last entry."""
    try:
        plan = from_bytes(bundle.plan)
    except BadPlan as problem:
        await parts.journal.write(AttemptFinished(now(), ExecutionState.ABORTED, str(problem)))
        return
    layout = Layout(Path(terms.folder) / WORKSPACE, private_names(plan), terms.keep, terms.hide)
    processes = Processes(alone=terms.isolation is Isolation.NAMESPACES)
    try:
        place = await Workspace.made(layout, terms.isolation, processes, terms.why)
    except OSError as problem:
        words = f"the workspace could not be made: {problem.strerror}"
        await parts.journal.write(AttemptFinished(now(), ExecutionState.ABORTED, words))
        return
    env = {**terms.env, "TMPDIR": place.spelt("/tmp")}  # noqa: S108 - the execution's own
    host = Host(plan, bundle, Surroundings(bundle.attempt, place, parts.journal, parts.exchange, env, terms.shell))
    parts.conductor.serve(host)
    await host.run()
    await place.end_all()


def private_names(plan: Plan) -> tuple[str, ...]:
    """The top-level names that this plan's executions have for themselves: the usual ones, and those that it puts
    files into and that the machine does not have."""
    paths: list[str] = []
    for step in leaves(plan.steps):
        match step.body:
            case Clone(mount_path=path) | FetchTarball(path=path):
                paths.append(path)
            case WriteFiles(files):
                paths += [file.path for file in files]
            case Run(container):
                paths.append(container.working_dir or "")
    names = {Path(path).parts[1] for path in paths if path.startswith("/") and len(Path(path).parts) > 1}
    fresh = sorted(name for name in names if "{" not in name and name not in PRIVATE and not Path("/", name).exists())
    return (*PRIVATE, *fresh)
