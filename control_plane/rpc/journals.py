"""Journals going up, directives coming down: translates and calls services.progress, and keeps the wire busy while
the disk works.

Order of calls: protos/muster/v1/control.proto.
"""

from __future__ import annotations

import asyncio

import grpc

from control_plane.rpc.answers import answered
from control_plane.rpc.gate import Context, Gate
from control_plane.rpc.intake import Intake
from control_plane.rpc.services import OpenJournal, Progress
from control_plane.rpc.sessions import PATIENCE
from control_plane.rpc.together import until_first
from protos.codec import session as codec
from protos.codec.checks import WireError
from protos.muster.v1 import control_pb2_grpc
from workflow.identifiers import Attempt
from workflow.journal import Directive


class JournalsHandler(control_pb2_grpc.JournalsServicer):
    """Serves muster.v1.Journals."""

    def __init__(self, gate: Gate, progress: Progress) -> None:
        self._gate = gate
        self._progress = progress

    async def Stream(self, request_iterator: object, context: Context) -> None:  # type: ignore[override]  # noqa: N802
        """Ends with OK when the agent ended its side and all it sent is durable and acknowledged."""
        async with answered(context), self._gate.admitted(context) as peer:
            opened = await self._progress.open(peer.name, await _attempt(context))
            try:
                down = _Down(context)
                await down.say(opened.acknowledged)
                await until_first(_ingest(context, opened, down), _direct(opened, down))
            finally:
                await opened.close()


class _Down:
    """What goes down, from two tasks: gRPC takes one message at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._turn = asyncio.Lock()

    async def say(self, message: int | Directive) -> None:
        async with self._turn:
            await self._context.write(codec.encode_down(message))


async def _attempt(context: Context) -> Attempt:
    async with asyncio.timeout(PATIENCE):
        message = await context.read()
    if message is grpc.aio.EOF:
        raise WireError("the stream ended before its header")
    header = codec.decode_up(message)
    if not isinstance(header, Attempt):
        raise WireError("a journal begins with its header")
    return header


async def _ingest(context: Context, opened: OpenJournal, down: _Down) -> None:
    """Read and append at the same time, until all that was read is appended."""
    intake = Intake()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_read(context, intake))
        tasks.create_task(_append(opened, intake, down))


async def _read(context: Context, intake: Intake) -> None:
    while (message := await context.read()) is not grpc.aio.EOF:
        records = codec.decode_up(message)
        if isinstance(records, Attempt):
            raise WireError("a journal has one header")
        if records:
            await intake.put(records, message.ByteSize())
    await intake.end()


async def _append(opened: OpenJournal, intake: Intake, down: _Down) -> None:
    while records := await intake.take():
        await down.say(await opened.append(records))


async def _direct(opened: OpenJournal, down: _Down) -> None:
    async for directive in opened.directives():
        await down.say(directive)
    await asyncio.Event().wait()  # no more to direct: the journal goes on
