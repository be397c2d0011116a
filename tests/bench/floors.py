"""What no design gets below on this machine: an exchange over gRPC with mutual TLS, a commit of SQLite, a process.

Measured in the same run as everything else, so that the rest can be read beside them.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import trustme

from tests.bench.storage import CHUNK, bare, bare_append, commit, timed
from tests.bench.table import Row, alone, spread

EXCHANGES = 1000
COMMITS = 1000
PROCESSES = 200
_METHOD = "/muster.bench/Echo"


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    commits = await asyncio.to_thread(_commits, folder)
    append = await asyncio.to_thread(bare_append, folder, CHUNK, 200)
    processes = await asyncio.to_thread(timed, _process, PROCESSES)
    return [
        Row("a message there and back, gRPC, mutual TLS", spread(await _exchanges())),
        Row("a commit, SQLite, WAL, full sync", spread(commits)),
        Row("256 KiB appended and synced", f"{append / 1e6:8.0f} MB/s"),
        Row("fork and exec of /bin/true", spread(processes)),
    ]


def _commits(folder: Path) -> list[float]:
    connection = bare(folder)
    try:
        return timed(lambda _: commit(connection), COMMITS)
    finally:
        connection.close()


def _process(_: int) -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)


async def _echo(requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


async def _exchanges() -> list[float]:
    """Both ends in this process, on one stream that stays open."""
    ca = trustme.CA()
    server_side, client_side = ca.issue_cert("localhost"), ca.issue_cert("agent")
    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(_echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("muster.bench", {"Echo": handler}),))
    roots = ca.cert_pem.bytes()
    shown = (server_side.private_key_pem.bytes(), server_side.cert_chain_pems[0].bytes())
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([shown], roots, True))
    await server.start()
    key, chain = client_side.private_key_pem.bytes(), client_side.cert_chain_pems[0].bytes()
    credentials = grpc.ssl_channel_credentials(roots, key, chain)
    taken = []
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(_METHOD)()
        for number in range(EXCHANGES + 50):
            begin = time.perf_counter()
            await call.write(b"x" * 200)
            await call.read()
            if number >= 50:
                taken.append(time.perf_counter() - begin)
        call.cancel()
    await server.stop(0)
    return taken


if __name__ == "__main__":
    alone("floors", measure)
