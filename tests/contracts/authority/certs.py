"""Keys, requests and certificates, good and bad. Used by every test that speaks TLS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(private: PrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def request(private: PrivateKey, *extensions: x509.ExtensionType, common_name: str = "anything") -> bytes:
    """A request (DER) for ``private``, with whatever else."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(named(common_name))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(private, algorithm).public_bytes(Encoding.DER)


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def pem(chain: tuple[bytes, ...]) -> bytes:
    """A chain of DER certificates as PEM."""
    return b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in chain)


class Forge:
    """An authority that signs anything: somebody else's, or ours gone mad where it is given our root key."""

    def __init__(self, private: ec.EllipticCurvePrivateKey | None = None, name: x509.Name | None = None) -> None:
        self.key = private or key()
        self.name = name or named("forged root")

    def root_pem(self) -> bytes:
        builder = self._builder(self.name, self.key, timedelta(-1), timedelta(1))
        ca = x509.BasicConstraints(ca=True, path_length=0)
        return builder.add_extension(ca, critical=True).sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def leaf_pem(
        self,
        private: ec.EllipticCurvePrivateKey,
        *alternatives: x509.GeneralName,
        usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CLIENT_AUTH,),
        begins: timedelta = timedelta(-1),
        ends: timedelta = timedelta(1),
        common_name: str = "leaf",
    ) -> bytes:
        """A certificate, from ``begins`` to ``ends`` (from now)."""
        builder = self._builder(named(common_name), private, begins, ends)
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _builder(
        self, subject: x509.Name, private: ec.EllipticCurvePrivateKey, begins: timedelta, ends: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )


def agent_uri(name: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(f"spiffe://muster/agent/{name}")
