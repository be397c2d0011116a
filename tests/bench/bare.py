"""A gRPC server that does nothing but hold streams open: ``python -m tests.bench.bare FOLDER``. Started by the idle
benchmark, as the floor of what a thousand connected agents cost.

FOLDER holds key.pem, chain.pem and roots.pem; the port is printed as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc

METHOD = "/muster.bench/Hold"


async def _hold(requests: AsyncIterator[bytes], context: Any) -> None:
    async for request in requests:
        await context.write(request)


async def main(folder: Path) -> None:
    """Serve until killed."""
    key, chain, roots = ((folder / name).read_bytes() for name in ("key.pem", "chain.pem", "roots.pem"))
    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(_hold)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("muster.bench", {"Hold": handler}),))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)], roots, True))
    await server.start()
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
