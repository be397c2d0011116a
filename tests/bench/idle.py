"""A thousand agents that are connected and have nothing to do: what the control plane holds for them.

The floor is a gRPC server that does nothing but hold as many streams over mutual TLS.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import grpc
import trustme

from muster.local.program import Program
from tests.bench.agents import SimulatedAgent, at_work, lifecycle
from tests.bench.bare import METHOD
from tests.bench.plane import memory_of, running
from tests.bench.table import Row, alone

AGENTS = 1000
GOAL = 200.0


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    bare_empty, bare_full = await _bare(folder)
    async with running(folder, AGENTS) as plane:
        empty = plane.memory()
        agents = [SimulatedAgent(plane.link(number), lifecycle) for number in range(AGENTS)]
        begin = time.perf_counter()
        async with at_work(agents, staying=True):
            joined = time.perf_counter() - begin
            full = plane.memory()
    return [
        Row("bare gRPC server, no stream", f"{bare_empty:8.0f} MB"),
        Row(f"bare gRPC server, {AGENTS} streams", f"{bare_full:8.0f} MB"),
        Row("control plane, no agent", f"{empty:8.0f} MB"),
        Row(f"control plane, {AGENTS} idle agents", f"{full:8.0f} MB", f"<= {GOAL:.0f} MB", full <= GOAL),
        Row("until all of them were connected", f"{joined:8.1f} s"),
    ]


async def _bare(folder: Path) -> tuple[float, float]:
    """Memory of the floor, without and with streams."""
    ca = trustme.CA()
    server, client = ca.issue_cert("127.0.0.1"), ca.issue_cert("agent")
    roots = ca.cert_pem.bytes()
    for name, pem in (("key", server.private_key_pem), ("chain", server.cert_chain_pems[0]), ("roots", ca.cert_pem)):
        pem.write_to_path(folder / f"{name}.pem")
    command = [sys.executable, "-m", "tests.bench.bare", str(folder)]
    program = await Program.start("bare", command, log=folder / "bare.log")
    try:
        port = (await program.ready())["port"]
        empty = memory_of(program.pid)
        credentials = grpc.ssl_channel_credentials(
            roots, client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()
        )
        return empty, await _held(f"127.0.0.1:{port}", credentials, program.pid)
    finally:
        await program.stop()


async def _held(address: str, credentials: grpc.ChannelCredentials, pid: int) -> float:
    """Memory while a thousand streams, each with a connection of its own, are open."""
    own = (("grpc.use_local_subchannel_pool", 1),)
    channels = [grpc.aio.secure_channel(address, credentials, options=own) for _ in range(AGENTS)]
    calls: list[grpc.aio.StreamStreamCall[bytes, bytes]] = [channel.stream_stream(METHOD)() for channel in channels]

    async def open_(call: grpc.aio.StreamStreamCall[bytes, bytes]) -> None:
        await call.write(b"x" * 100)
        await call.read()

    await asyncio.gather(*map(open_, calls))
    full = memory_of(pid)
    for call in calls:
        call.cancel()
    await asyncio.gather(*(channel.close() for channel in channels))
    return full


if __name__ == "__main__":
    alone("idle agents", measure)
