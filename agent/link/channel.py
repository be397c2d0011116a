"""The connection to the control plane: one long-lived HTTP/2 channel over mutual TLS. Called by agent.link.control.

A channel is bound to the certificate it was dialled with. When the certificate is renewed a new channel takes the new
streams; the old one is closed when its last stream ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc

from agent.link.identity import Identity
from workflow.session import MAX_MESSAGE

SLACK: Final = 64 * 1024
"""Bytes that gRPC takes above MAX_MESSAGE."""

OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE + SLACK),
    ("grpc.max_send_message_length", MAX_MESSAGE + SLACK),
    ("grpc.keepalive_time_ms", 20_000),  # finds a link that silently died, and keeps a NAT's memory fresh
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),  # else pings stop after two, and with them all of the above
    ("grpc.initial_reconnect_backoff_ms", 100),  # the relay does the waiting; the channel should not wait on top of it
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 10_000),  # in spite of its name: how long a connection may take to come up
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),  # a new certificate must not find the old one's connection
)


class Line:
    """A channel with the identity it speaks for, counted by its users."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.channel = grpc.aio.secure_channel(identity.server, _credentials(identity), options=OPTIONS)
        self._users = 0
        self._retired = False

    @property
    def busy(self) -> bool:
        """Whether anybody uses it."""
        return self._users > 0

    @asynccontextmanager
    async def used(self) -> AsyncIterator[None]:
        """Keep the channel open while the context is."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if self._retired and not self._users:
                await self.channel.close()

    async def retire(self) -> None:
        """Close once nobody uses it."""
        self._retired = True
        if not self._users:
            await self.channel.close()

    async def cut(self) -> None:
        """Close now."""
        await self.channel.close()


def _credentials(identity: Identity) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=identity.roots.encode(),
        private_key=identity.key.encode(),
        certificate_chain=identity.chain.encode(),
    )
