"""The agents' port: gRPC over mutual TLS, within limits. Called by the assembly.

Nobody gets past the handshake without a certificate of one of our roots; which agent it is, and whether it may still
speak, the gate asks on every call.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

import grpc

from control_plane.ports.authority import Authority
from control_plane.rpc.artifacts import ArtifactsHandler
from control_plane.rpc.gate import Gate
from control_plane.rpc.journals import JournalsHandler
from control_plane.rpc.services import Artifacts, Progress, Sessions, Trust
from control_plane.rpc.sessions import SessionsHandler
from protos.muster.v1 import control_pb2_grpc
from workflow.session import MAX_MESSAGE

SLACK: Final = 64 * 1024
"""Bytes that gRPC takes above MAX_MESSAGE, so that a batch may be exactly as large as it says."""
MAX_CALLS: Final = 20_000
"""Calls at once, of all agents."""

OPTIONS: Final = (
    ("grpc.so_reuseport", 0),  # two programs on one port is a mistake, not a cluster
    ("grpc.max_receive_message_length", MAX_MESSAGE + SLACK),
    ("grpc.max_send_message_length", MAX_MESSAGE + SLACK),
    ("grpc.max_concurrent_streams", 2000),  # of one connection
    ("grpc.server.max_pending_requests", MAX_CALLS),  # beyond 1000 gRPC drops calls by chance, honest ones too
    ("grpc.server.max_pending_requests_hard_limit", 2 * MAX_CALLS),
    ("grpc.tsi.max_frame_size", 1024),  # of what we send, which is little: else each connection keeps 16 KiB for it
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.absolute_max_metadata_size", 16 * 1024),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.compression_enabled_algorithms_bitset", 1),  # none: nothing to unpack, nothing that bursts
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 3),
)


class PortTaken(Exception):
    """The address cannot be listened on. The sentence says which."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the handlers call."""

    sessions: Sessions
    progress: Progress
    artifacts: Artifacts
    trust: Trust


class AgentsPort:
    """Listens from ``start`` to ``stop``. ``address``: host:port, port 0 for any that is free."""

    def __init__(self, address: str, authority: Authority, gate: Gate, services: Services, version: str) -> None:
        self._address = address
        self._server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=MAX_CALLS)
        self._credentials = credentials(authority)
        sessions = SessionsHandler(gate, services.sessions, services.trust, version)
        control_pb2_grpc.add_SessionsServicer_to_server(sessions, self._server)
        control_pb2_grpc.add_JournalsServicer_to_server(JournalsHandler(gate, services.progress), self._server)
        control_pb2_grpc.add_ArtifactsServicer_to_server(ArtifactsHandler(gate, services.artifacts), self._server)

    async def start(self) -> int:
        """Listen; the port. PortTaken."""
        try:
            port = self._server.add_secure_port(self._address, self._credentials)
        except RuntimeError:
            raise PortTaken(
                f"{self._address} cannot be listened on: another program uses the port, "
                "or the address is not of this machine"
            ) from None
        # gRPC logs a traceback for each stream that is cut; what goes wrong in handlers is logged in .answers
        logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL)
        await self._server.start()
        return port

    async def stop(self, grace: float = 0.5) -> None:
        """Take no more calls; cut those that are open after ``grace`` seconds."""
        await self._server.stop(grace)


def credentials(authority: Authority) -> grpc.ServerCredentials:
    """TLS that shows the authority's certificate, and trusts its roots, as they are at each handshake."""
    current = (authority.server_pem(), authority.roots_pem())

    def fresh() -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC's own threads."""
        nonlocal current
        now = (authority.server_pem(), authority.roots_pem())
        if now == current:
            return None
        current = now
        return _configuration(*now)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(*current),
        fresh,  # type: ignore[arg-type]  # the stubs do not know that None means: no change
        require_client_authentication=True,
    )


def _configuration(server: tuple[bytes, bytes], roots: bytes) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([server], root_certificates=roots)
