"""What our certificates say. Called by control_plane.adapters.x509.authority; pure but for the drawing of keys and
serials.

Times are whole seconds since 1970, by the control plane's clock. Every certificate begins BACKDATE earlier than it
was made, so that a peer whose clock is a little behind accepts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from control_plane.adapters.x509.requests import PublicKey
from workflow.identifiers import AgentName

BACKDATE = 5 * 60
"""Seconds by which a certificate begins before it was made."""
SERVER_URI = "spiffe://muster/control-plane"
"""What the control plane's own certificate is called, beside its host names."""


@dataclass(frozen=True, slots=True)
class Root:
    """A root key with its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def made(self) -> int:
        """When."""
        return int(self.certificate.not_valid_before_utc.timestamp()) + BACKDATE

    @property
    def not_after(self) -> int:
        """Its end."""
        return int(self.certificate.not_valid_after_utc.timestamp())


def agent_uri(name: AgentName) -> str:
    """What an agent is called in its certificate."""
    return f"spiffe://muster/agent/{name}"


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def new_root(now: int, life: int) -> Root:
    """A fresh root, signed by itself."""
    key = new_key()
    name = _name(f"Muster root {datetime.fromtimestamp(now, UTC):%Y-%m-%d}")
    builder = (
        _dated(now, now + life)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Root(key, builder.sign(key, hashes.SHA256()))


def agent_certificate(root: Root, name: AgentName, key: PublicKey, now: int, life: int) -> x509.Certificate:
    """A client certificate. Its name is the URI alone; the common name is for people."""
    builder = _leaf(root, name, key, now, life)
    uri = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(agent_uri(name))])
    return (
        builder.add_extension(uri, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(root.key, hashes.SHA256())
    )


def server_certificate(root: Root, names: Sequence[str], key: PublicKey, now: int, life: int) -> x509.Certificate:
    """The control plane's certificate for these host names and addresses."""
    builder = _leaf(root, "Muster control plane", key, now, life)
    alternatives = [x509.UniformResourceIdentifier(SERVER_URI), *map(_host, names)]
    return (
        builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(root.key, hashes.SHA256())
    )


def _leaf(root: Root, common_name: str, key: PublicKey, now: int, life: int) -> x509.CertificateBuilder:
    return (
        _dated(now, min(now + life, root.not_after))
        .subject_name(_name(common_name))
        .issuer_name(root.certificate.subject)
        .public_key(key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key()), critical=False)
    )


def _dated(now: int, end: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(now - BACKDATE, UTC))
        .not_valid_after(datetime.fromtimestamp(end, UTC))
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
