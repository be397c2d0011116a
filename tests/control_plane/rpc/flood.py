"""A program: opens and resets streams as fast as it can, says so in a line, and stays connected until it is killed.

``python -m tests.control_plane.rpc.flood ADDRESS KEY CHAIN ROOTS METHOD`` (three file names of PEM).
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import grpc


async def main(address: str, key: str, chain: str, roots: str, method: str) -> None:
    pem = [Path(name).read_bytes() for name in (roots, key, chain)]
    async with grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(*pem)) as channel:
        await channel.channel_ready()
        for _ in range(20):
            calls: list[grpc.aio.StreamStreamCall[bytes, bytes]] = [channel.stream_stream(method)() for _ in range(100)]
            await asyncio.sleep(0)
            for call in calls:
                call.cancel()
        sys.stdout.write("flooded\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
