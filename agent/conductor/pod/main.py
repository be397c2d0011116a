"""A conductor in a pod, from its first entry to its release. Called by ``__main__`` once ``early`` has laid down what
others wait for; FOLDER is where the kubelet laid down terms, bundle and key.

Like agent.conductor.main, it must not know the control plane, gRPC or Kubernetes. Started a second time in the same pod
(the first was killed), it begins nothing again: it serves what its predecessor wrote and ends the attempt, so that no
word is lost and the reason is told.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from agent.conductor.attendance import Attendance
from agent.conductor.clock import now
from agent.conductor.exchange import Exchange
from agent.conductor.frames import decode_to
from agent.conductor.journal import Journal, left
from agent.conductor.pod.echo import EchoingJournal
from agent.conductor.pod.gate import Gate
from agent.conductor.pod.listening import server_context
from agent.conductor.pod.terms import BUNDLE, PodTerms
from agent.conductor.server import BUFFER, Server
from agent.ports.conductor import CONDUCTOR, ContainerGone
from workflow.journal import AttemptFinished, AttemptStarted, Stop
from workflow.session import MAX_MESSAGE, Bundle
from workflow.states import ExecutionState

_TURN = 0.0005
"""Seconds after which the loading of the rest lets an answer to the agent pass."""
FAULT = "fault"
"""The file among its own in which a conductor leaves what broke it."""
_MAX_FAULT = 300
_MAX_BUNDLE = 4 * MAX_MESSAGE
_WHY = 0.3
"""Seconds for which the agent's word is waited for on why the pod is to end: some evictions leave it a single one."""
UNKNOWN = "deleted, evicted or preempted"
_LAST_WORDS = 8.0
"""Seconds that a pod which is to end waits for its agent to take the last words."""


class PodAttendance(Attendance):
    """Who hears the server, in a pod: also what the cluster says of the steps' containers."""

    def __init__(self, patience: int, gates: dict[str, Gate]) -> None:
        super().__init__(patience)
        self._gates = gates
        self._why: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.told_to_end = asyncio.Event()

    async def leave(self, journal: Journal) -> None:
        """Once the pod is told to end and all is over, wait a little for an agent to hear it, and no longer."""
        await self.told_to_end.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS if self.present else 0):
                await journal.settled(journal.last)
        self.released()

    def terminated(self) -> None:
        """The pod is to end, for a reason that the agent may know."""
        if self.told_to_end.is_set():
            return
        self.told_to_end.set()
        self._why.add_done_callback(lambda why: self._end(why.result()))
        asyncio.get_running_loop().call_later(_WHY if self.present else 0, self._said, UNKNOWN)

    def bereft(self, gone: ContainerGone) -> None:
        if gone.container == CONDUCTOR and gone.reason:
            self._said(gone.reason)
        if gate := self._gates.get(gone.container):
            gate.gone(gone.reason, final=gone.final)

    def _said(self, why: str) -> None:
        if not self._why.done():
            self._why.set_result(why)

    def _end(self, why: str) -> None:
        self.told(Stop(ExecutionState.ABORTED, f"the pod was told to end: {why}"))


def main(folder: Path, terms: PodTerms, listening: socket.socket) -> None:
    """The program, from where ``early`` has brought it. What breaks it is left for the one that comes after it."""
    try:
        asyncio.run(_conduct(folder, terms, listening))
    except Exception as fault:
        with suppress(OSError):
            (Path(terms.own) / FAULT).write_text(_told(fault))
        raise


def _told(fault: BaseException) -> str:
    """What broke, and where, without its message, which might hold a secret."""
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno}" if trace is not None else "nowhere"
    return f"{type(fault).__name__} in {where}"


async def _conduct(folder: Path, terms: PodTerms, listening: socket.socket) -> None:
    bundle = _bundle(folder)
    before = Path(terms.own) / "journal"
    again = before.exists()
    journal: Journal = _taken_over(terms, before) if again else EchoingJournal(before)
    gates = {} if again else {name: Gate(name, terms.gates / name) for name in sorted(set(terms.containers.values()))}
    for name in terms.impossible.keys() & gates.keys():
        gates[name].gone(terms.impossible[name], final=True)
    attendance, exchange = PodAttendance(terms.alone, gates), Exchange()
    server = Server(bundle.attempt, journal, exchange, attendance)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _terminated, attendance, server)
    if not again:
        await journal.write(AttemptStarted(now(), f"muster {terms.version}".strip(), terms.host))
    listener = await asyncio.start_server(
        server.accept, sock=listening, ssl=server_context(folder), limit=BUFFER, ssl_handshake_timeout=10
    )
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(attendance.watch())
        if again:
            await journal.write(AttemptFinished(now(), ExecutionState.ABORTED, _before(Path(terms.own))))
        else:
            program = await asyncio.to_thread(_loaded)
            await program.executed(program.Parts(folder, terms, bundle, journal, exchange, attendance, gates))
        leaving = tasks.create_task(attendance.leave(journal))
        await attendance.release.wait()
        watch.cancel()
        leaving.cancel()
    listener.close()
    journal.close()


def _before(own: Path) -> str:
    """What became of the conductor that was here before."""
    try:
        fault = (own / FAULT).read_text()[:_MAX_FAULT]
    except OSError:
        return "the conductor was started again: it, or its container, had been killed"
    return f"the conductor met something that it did not expect ({fault}); this is a bug in muster: please report it"


def _terminated(attendance: PodAttendance, server: Server) -> None:
    """SIGTERM."""
    server.leave()
    attendance.terminated()


def _loaded() -> ModuleType:
    """The rest of the program, in a thread: an agent that dials meanwhile is answered at once."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        from agent.conductor.pod import executing

        gc.freeze()
        gc.enable()
        return executing
    finally:
        sys.setswitchinterval(before)


def _bundle(folder: Path) -> Bundle:
    unpacker = zlib.decompressobj()
    bundle = decode_to(unpacker.decompress((folder / BUNDLE).read_bytes(), _MAX_BUNDLE))
    assert isinstance(bundle, Bundle)
    return bundle


def _taken_over(terms: PodTerms, before: Path) -> Journal:
    """The predecessor's journal, written out anew as far as it is whole."""
    number = 1
    while (folder := Path(terms.own) / f"journal-{number}").exists():
        before, number = folder, number + 1
    journal = Journal(folder)
    first = min((int(path.name) for path in before.glob("[0-9]*")), default=1)
    journal.last = journal.acknowledged = first - 1
    for record in left(before, first - 1):
        if not isinstance(record.entry, AttemptFinished):
            journal.append(record.entry)
    return journal
