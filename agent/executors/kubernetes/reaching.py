"""A conversation with the conductor in a pod: TLS with the attempt's own keys, by its address or through a tunnel.

Called by the executor.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from agent.conductor.frames import decode_from, encode_to, read_frame, send
from agent.conductor.server import BUFFER
from agent.executors.kubernetes.calls import Calls
from agent.executors.kubernetes.keys import CONDUCTOR
from agent.executors.kubernetes.settings import Reach, Settings
from agent.executors.kubernetes.tunnel import tunnel
from agent.ports.conductor import Attach, Attached, FromConductor, ToConductor
from protos.codec.checks import WireError
from workflow.identifiers import Attempt

_CONNECT = 5.0
_ANSWER = 10.0
_SIGNS = {socket.TCP_KEEPIDLE: 20, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3, socket.TCP_USER_TIMEOUT: 50_000}
"""When the kernel asks a silent peer for a sign of life: a node that died says nothing, not even that."""


class PodConversation:
    """The port (agent.ports.executor.Conversation), over TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.leaving = asyncio.Event()
        """The conductor says that its pod was told to end."""

    async def say(self, message: ToConductor) -> None:
        await send(self._writer, encode_to(message))

    async def received(self) -> AsyncIterator[FromConductor]:
        try:
            while (content := await read_frame(self._reader)) is not None:
                yield self._noted(decode_from(content))
        except (OSError, WireError, asyncio.IncompleteReadError):
            return

    async def attach(self, attempt: Attempt, acknowledged: int) -> None:
        """The first words. ConnectionError where they are not answered."""
        try:
            async with asyncio.timeout(_ANSWER):
                await self.say(Attach(attempt, acknowledged))
                content = await read_frame(self._reader)
            answer = self._noted(decode_from(content)) if content is not None else None
        except (WireError, TimeoutError, OSError):
            answer = None
        if not isinstance(answer, Attached):
            raise ConnectionError("the conductor did not answer")

    def _noted(self, message: FromConductor) -> FromConductor:
        if isinstance(message, Attached) and message.leaving:
            self.leaving.set()
        return message

    def hang_up(self) -> None:
        """End the connection at once; whoever reads sees its end."""
        self._writer.transport.abort()


@asynccontextmanager
async def dialled(
    calls: Calls, settings: Settings, namespace: str, pod: str, address: str, context: ssl.SSLContext
) -> AsyncIterator[PodConversation]:
    """A connection. ConnectionError where there is none."""
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(_CONNECT):
                if settings.reach is Reach.TUNNEL:
                    sock = await stack.enter_async_context(tunnel(calls.client, namespace, pod, settings.port))
                    reader, writer = await asyncio.open_connection(
                        sock=sock, ssl=context, server_hostname=CONDUCTOR, limit=BUFFER
                    )
                else:
                    reader, writer = await asyncio.open_connection(
                        address, settings.port, ssl=context, server_hostname=CONDUCTOR, limit=BUFFER
                    )
                    _keep_alive(writer.get_extra_info("socket"))
        except (OSError, TimeoutError) as problem:
            raise ConnectionError(
                f"the conductor in {pod} cannot be reached: {str(problem) or type(problem).__name__}"
            ) from None
        try:
            yield PodConversation(reader, writer)
        finally:
            with suppress(OSError):
                writer.transport.abort()


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _SIGNS.items():
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
