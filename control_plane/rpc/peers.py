"""Who is calling: read from the peer's certificate and nothing else. Called by control_plane.rpc.gate.

TLS has checked by then that one of our roots signed the certificate and that its time is right; here it is checked
that it is an agent's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from workflow.identifiers import SECOND, AgentName, BadIdentifier, Instant, agent_name
from workflow.session import Refused

_PREFIX: Final = "spiffe://muster/agent/"


class Stranger(Refused):
    """The certificate says no agent's name, or is no longer good."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An agent's name, its certificate's serial (hex) and end (seconds since 1970)."""

    name: AgentName
    serial: str
    not_after: int

    def check_time(self, now: Instant) -> None:
        """Stranger where the certificate ended since its connection began."""
        if now // SECOND >= self.not_after:
            end = datetime.fromtimestamp(self.not_after, UTC)
            raise Stranger(
                f"the certificate of agent {self.name} expired at {end:%Y-%m-%d %H:%M:%S} UTC; "
                f"run: muster agents create {self.name} ... and join again"
            )


@lru_cache(maxsize=256)
def peer_of(certificate_pem: bytes) -> Peer:
    """The agent whose certificate this is. Stranger."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        extensions = certificate.extensions
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        raise Stranger("the certificate says no agent's name or no purpose") from None
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
        raise Stranger("the certificate is not meant for clients")
    if len(names) != 1 or not isinstance(names[0], x509.UniformResourceIdentifier):
        raise Stranger("the certificate must have one name, and that an agent's")
    end = int(certificate.not_valid_after_utc.timestamp())
    return Peer(_agent(names[0].value), f"{certificate.serial_number:x}", end)


def _agent(uri: str) -> AgentName:
    if not uri.startswith(_PREFIX):
        raise Stranger("the certificate's name is no agent's")
    try:
        return agent_name(uri.removeprefix(_PREFIX))
    except BadIdentifier:
        raise Stranger("the certificate's name is no agent's") from None
