"""A connection to a pod's port through the API server, for an agent outside of the cluster.

Called by ``reaching``. The API server's port-forward over a web socket: one channel for data, one for errors, each
beginning with the port's number.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from agent.executors.kubernetes.beside import beside
from agent.executors.kubernetes.client import Client, credentials, session

_DATA, _ERROR = 0, 1
_PIECE = 64 * 1024
_CONNECT = 15.0
_HEARTBEAT = 20.0
"""Seconds between two signs of life that are asked for: a way that was cut without a word is noticed."""


@asynccontextmanager
async def tunnel(client: Client, namespace: str, pod: str, port: int) -> AsyncIterator[socket.socket]:
    """A connected socket whose other end is the pod's port. ConnectionError where the API server refuses."""
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}"
    url = f"{client.configuration.host}{path}".replace("http", "ws", 1)
    headers = await credentials(client)
    try:
        async with asyncio.timeout(_CONNECT):
            web = await session(client).ws_connect(
                url, headers=headers, protocols=("v4.channel.k8s.io",), max_msg_size=0, heartbeat=_HEARTBEAT
            )
    except (aiohttp.ClientError, TimeoutError, OSError) as problem:
        raise ConnectionError(f"the API server forwards no port: {problem}") from None
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    try:
        async with beside(_in(web, ours), _out(web, ours)):
            yield theirs
    finally:
        ours.close()
        theirs.close()
        await web.close()


async def _in(web: aiohttp.ClientWebSocketResponse, ours: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    greeted: set[int] = set()
    try:
        async for message in web:
            data: Any = message.data
            if message.type is not aiohttp.WSMsgType.BINARY or not data:
                continue
            channel, content = data[0], data[1:]
            if channel not in greeted:  # the port's number
                greeted.add(channel)
                content = content[2:]
            if channel == _ERROR and content:
                break
            if channel == _DATA and content:
                await loop.sock_sendall(ours, content)
    except OSError:
        return
    finally:
        _shut(ours)


async def _out(web: aiohttp.ClientWebSocketResponse, ours: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    try:
        while data := await loop.sock_recv(ours, _PIECE):
            await web.send_bytes(bytes([_DATA]) + data)
    except (OSError, aiohttp.ClientError):
        return
    finally:
        await web.close()


def _shut(ours: socket.socket) -> None:
    try:
        ours.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
