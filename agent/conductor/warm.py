"""What every conductor does first, done once before they are forked, so that none of them pays for first times again.

Called by the process executor's zygote. Leaves nothing behind but filled caches.
"""

from __future__ import annotations

import asyncio

from wcmatch import glob

from agent.conductor.frames import decode_to, encode_from, encode_packed, encode_to
from agent.conductor.operations import artifacts, children, clone, files, transfers
from agent.conductor.texts import Texts
from agent.conductor.wanted import wanted
from agent.ports.conductor import Attach, Attached, Stored
from protos.codec.journal import pack, unpack
from workflow.execution.events import Begun, Exited, OperationEnded, StartOperation
from workflow.execution.machine import Machine
from workflow.expressions import jq, yaml_text
from workflow.identifiers import SECOND, Attempt, ExecutionId, Instant, StepRef
from workflow.journal import AttemptFinished, AttemptStarted, Entry, Output, Record, StepFinished, StepStarted, Stream
from workflow.masking import Masker
from workflow.plan.encode import from_bytes, to_bytes
from workflow.plan.nodes import Clone, Container, EnvVar, File, Group, Plan, Retry, Run, SaveArtifacts, Step, WriteFiles
from workflow.session import Bundle
from workflow.states import ExecutionState, StepStatus

_ATTEMPT = Attempt(ExecutionId("warm"), 1)
_AT = Instant(0)
_REF = StepRef("1")
LATER = (artifacts, children, clone, files, transfers, glob, jq, yaml_text)
"""What a conductor that starts by itself loads only once its plan needs it."""


def warm() -> None:
    """Plans read, machines run, messages written and read, a loop begun and ended."""
    plan = _plan()
    bundle = Bundle(_ATTEMPT, to_bytes(plan), {"index": 0})
    for said in (bundle, Attach(_ATTEMPT), Stored(1)):
        decode_to(encode_to(said))
    wanted(bundle.plan)
    machine = Machine.begin(from_bytes(bundle.plan), bundle.variables)
    pending = list(machine.after(Begun(_AT, {"CI": "1"})))
    while pending:
        command = pending.pop(0)
        if isinstance(command, StartOperation):
            Texts(command.names, {"A": "b"}, {}).all_of(command.operation)
            ended = OperationEnded(_AT, command.ref, command.iteration, Exited(0), {"key": "value"})
            pending += machine.after(ended)
    encode_from(Attached(_ATTEMPT, bundled=True, last=1))
    encode_packed([pack(record) for record in _records() if unpack(pack(record))])
    Masker(["a secret"]).feed(b"no secret")
    asyncio.run(_loop())


async def _loop() -> None:
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(1):
        tasks.create_task(asyncio.sleep(0))
        await asyncio.to_thread(int)


def _plan() -> Plan:
    container = Container(image="i", working_dir="/data", env=(EnvVar("A", "{{ 1 + 1 }}"),), args=("a",))
    run = Step(_REF, Run(container, "echo {{ env.A }}"), "one", "One", retry=Retry(1), timeout=SECOND)
    files = Step(StepRef("2.1"), WriteFiles((File("/data/x", "y"),)))
    clone = Step(StepRef("2.2"), Clone("https://example.org"), hidden=True)
    saved = Step(StepRef("2.3"), SaveArtifacts(("**",)), condition="always")
    return Plan("warm", (run, Step(StepRef("2"), Group((files, clone, saved)), optional=True)))


def _records() -> list[Record]:
    entries: tuple[Entry, ...] = (
        AttemptStarted(_AT, "c", "h"),
        StepStarted(_AT, _REF),
        Output(_AT, _REF, Stream.STDOUT, b"x"),
        StepFinished(_AT, _REF, StepStatus.PASSED, 0),
        AttemptFinished(_AT, ExecutionState.PASSED),
    )
    return [Record(seq, entry) for seq, entry in enumerate(entries, 1)]
