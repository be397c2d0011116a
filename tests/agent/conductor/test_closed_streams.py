"""Frames on streams that were closed meanwhile: a peer that went away is never more than that."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.conductor.exchange import Exchange
from agent.conductor.frames import encode_to, put, read_frame, send
from agent.conductor.journal import Journal
from agent.conductor.pod.listening import server_context
from agent.conductor.pod.main import PodAttendance
from agent.conductor.pod.terms import CA, CERTIFICATE
from agent.conductor.server import Server
from agent.executors.kubernetes.keys import CONDUCTOR, client_context, fresh_pair
from agent.ports.conductor import Attach
from tests.agent.plans import attempt
from workflow.identifiers import Attempt

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def serving(folder: Path, of: Attempt) -> AsyncIterator[tuple[Server, int, ssl.SSLContext]]:
    """A conductor's server as in a pod, its port, and how an agent speaks with it."""
    pair = fresh_pair()
    (folder / CA).write_bytes(pair.ca)
    (folder / CERTIFICATE).write_bytes(pair.conductor)
    journal = Journal(folder / "journal")
    server = Server(of, journal, Exchange(), PodAttendance(60, {}))
    async with await asyncio.start_server(server.accept, "127.0.0.1", 0, ssl=server_context(folder)) as listening:
        yield server, listening.sockets[0].getsockname()[1], client_context(pair)
    journal.close()


async def dialled(port: int, context: ssl.SSLContext) -> Streams:
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=CONDUCTOR)


async def test_what_is_said_on_a_closed_stream_is_a_connection_error(tmp_path: Path) -> None:
    async with serving(tmp_path, attempt()) as (_, port, context):
        _, writer = await dialled(port, context)
        writer.close()
        writer.close()  # as asyncio does after us when the peer hangs up: now the transport knows no protocol any more
        with pytest.raises(ConnectionError):
            put(writer, b"x")
        with pytest.raises(ConnectionError):
            await send(writer, b"x")


async def test_a_conductor_bears_an_agent_that_hangs_up_at_any_time(tmp_path: Path) -> None:
    of = attempt()
    async with serving(tmp_path, of) as (server, port, context):
        for _ in range(3):
            reader, writer = await dialled(port, context)
            await send(writer, encode_to(Attach(of)))
            assert await read_frame(reader)
            line = server._line
            assert line is not None
            writer.transport.abort()
            while server._line is line:
                await asyncio.sleep(0)
            line._writer.close()
            await line.say(server._attached())
            line.put(server._attached())
            server.leave()
