"""The key pair of one attempt: conductor and agent each get one, signed by a key that is thrown away at once.

Called by the executor when it launches. Either side believes that one signer alone, so nothing else in the cluster or
outside of it can take part, and what is stolen from one pod opens nothing else.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CONDUCTOR = "conductor.muster.internal"
AGENT = "agent.muster.internal"
LIFE = timedelta(days=30)
"""An execution is over by then."""
SKEW = timedelta(days=1)
"""Clocks may differ."""


@dataclass(frozen=True, slots=True)
class Pair:
    """PEM texts: whom to trust, and each side's key with its certificate."""

    ca: bytes
    conductor: bytes
    agent: bytes


def fresh_pair() -> Pair:
    """A new one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "muster attempt")])
    ca = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair(
        ca.public_bytes(serialization.Encoding.PEM),
        _leaf(CONDUCTOR, ExtendedKeyUsageOID.SERVER_AUTH, name, key),
        _leaf(AGENT, ExtendedKeyUsageOID.CLIENT_AUTH, name, key),
    )


def client_context(pair: Pair) -> ssl.SSLContext:
    """The agent's end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=pair.ca.decode())
    memory = os.memfd_create("muster-key")  # OpenSSL reads keys from files alone; this one is on no disk
    try:
        os.write(memory, pair.agent)
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
    return context


def _leaf(host: str, usage: x509.ObjectIdentifier, issuer: x509.Name, signer: ec.EllipticCurvePrivateKey) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = (
        _builder(name, issuer, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def _builder(name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFE)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
