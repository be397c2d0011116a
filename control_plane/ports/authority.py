"""The certificate authority. Called by services.enrolment and the assembly; adapter: control_plane.adapters.x509.
Suite: tests/contracts/authority.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from workflow.identifiers import AgentName


class BadRequest(Exception):
    """A certificate request was refused. The sentence says why (weak key, wrong signature, not a CSR)."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its chain (DER, leaf first, without the root), its serial (hex) and its end (seconds since
    1970).
    """

    chain: tuple[bytes, ...]
    serial: str
    not_after: int


class Authority(Protocol):
    """The port. Only the public key of a request counts: its names, extensions and attributes are ignored."""

    def roots_pem(self) -> bytes:
        """The root certificates to trust, PEM (several during a roll)."""
        ...

    def pin(self) -> str:
        """``sha256:<hex>`` of ``roots_pem`` as served, to be carried in join strings."""
        ...

    def issue_agent(self, name: AgentName, csr_der: bytes) -> Issued:
        """A client certificate with the URI name ``spiffe://muster/agent/<name>`` and EKU clientAuth. BadRequest."""
        ...

    def server_pem(self) -> tuple[bytes, bytes]:
        """(key, chain) of the control plane's own server certificate, renewed when it must."""
        ...
