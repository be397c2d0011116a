"""What every certificate authority must do, run on each adapter of the port."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from control_plane.adapters.memory import ManualClock
from control_plane.adapters.x509 import Lives, X509Authority
from control_plane.ports.authority import Authority, BadRequest
from tests.contracts.authority import certs
from workflow.identifiers import SECOND, AgentName

NAME = AgentName("dev-runner")
LIVES = Lives(agent=600, server=9000, root=100_000)

Make = Callable[[], Authority]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make(tmp_path: Path, clock: ManualClock) -> Make:
    """Opens the same authority again and again."""
    return lambda: X509Authority(tmp_path / "ca", ["localhost", "127.0.0.1"], clock, LIVES)


@pytest.fixture
def authority(make: Make) -> Authority:
    return make()


def roots(authority: Authority) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(authority.roots_pem())


def leaf(chain: tuple[bytes, ...]) -> x509.Certificate:
    return x509.load_der_x509_certificate(chain[0])


def test_an_agents_certificate_says_its_name_and_purpose(authority: Authority, clock: ManualClock) -> None:
    key = certs.key()
    issued = authority.issue_agent(NAME, certs.request(key))
    certificate = leaf(issued.chain)
    certificate.verify_directly_issued_by(roots(authority)[0])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier("spiffe://muster/agent/dev-runner")]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert certificate.public_key() == key.public_key()
    assert issued.serial == f"{certificate.serial_number:x}"
    now = clock.now() // SECOND
    assert issued.not_after == now + LIVES.agent == certificate.not_valid_after_utc.timestamp()
    assert certificate.not_valid_before_utc.timestamp() == now - 300


def test_serials_differ(authority: Authority) -> None:
    request = certs.request(certs.key())
    assert len({authority.issue_agent(NAME, request).serial for _ in range(20)}) == 20


def test_what_a_request_wishes_for_is_ignored(authority: Authority) -> None:
    request = certs.request(
        certs.key(),
        x509.BasicConstraints(ca=True, path_length=None),
        x509.SubjectAlternativeName([certs.agent_uri("prod-runner"), x509.DNSName("localhost")]),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        common_name="prod-runner",
    )
    certificate = leaf(authority.issue_agent(NAME, request).chain)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [certs.agent_uri("dev-runner")]
    assert b"prod-runner" not in certificate.public_bytes(Encoding.DER)


def _tampered() -> bytes:
    request = bytearray(certs.request(certs.key()))
    request[-1] ^= 1
    return bytes(request)


def _sha1() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(certs.named("x"))
    der = builder.sign(certs.key(), hashes.SHA256()).public_bytes(Encoding.DER)
    sha256, sha1 = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d0401")
    body = der.replace(bytes([0x30, 10, 6, 8]) + sha256, bytes([0x30, 9, 6, 7]) + sha1)
    return bytes([0x30, 0x81, body[2] - 1]) + body[3:] if body[1] == 0x81 else bytes([0x30, body[1] - 1]) + body[2:]


BAD = {
    "nothing": lambda: b"",
    "garbage": lambda: b"\x30\x82garbage",
    "too large": lambda: b"\x00" * 20_000,
    "RSA with 1024 bits": lambda: certs.request(rsa.generate_private_key(65537, 1024)),
    "a small curve": lambda: certs.request(ec.generate_private_key(ec.SECP192R1())),
    "an odd curve": lambda: certs.request(ec.generate_private_key(ec.SECP256K1())),
    "Ed25519, which the wire's TLS does not take": lambda: certs.request(ed25519.Ed25519PrivateKey.generate()),
    "a wrong signature": _tampered,
    "signed with SHA-1": _sha1,
    "a certificate": lambda: certs.Forge().root_pem(),
}


@pytest.mark.parametrize("request_", BAD.values(), ids=BAD)
def test_a_bad_request_is_refused(authority: Authority, request_: Callable[[], bytes]) -> None:
    with pytest.raises(BadRequest) as refusal:
        authority.issue_agent(NAME, request_())
    assert str(refusal.value)


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)])
def test_other_strong_keys_are_taken(authority: Authority, key: certs.PrivateKey) -> None:
    assert authority.issue_agent(NAME, certs.request(key)).chain


def test_the_root_outlives_a_restart(make: Make) -> None:
    first, second = make(), make()
    assert first.roots_pem() == second.roots_pem()
    leaf(second.issue_agent(NAME, certs.request(certs.key())).chain).verify_directly_issued_by(roots(first)[0])


def test_the_pin_is_the_hash_of_what_is_served(authority: Authority) -> None:
    assert authority.pin() == "sha256:" + hashlib.sha256(authority.roots_pem()).hexdigest()


async def test_the_servers_certificate_is_renewed_at_two_thirds(authority: Authority, clock: ManualClock) -> None:
    key, chain = authority.server_pem()
    certificate = x509.load_pem_x509_certificate(chain)
    certificate.verify_directly_issued_by(roots(authority)[0])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    await clock.advance(LIVES.server * 2 // 3 - 1)
    assert authority.server_pem() == (key, chain)
    await clock.advance(1)
    assert authority.server_pem() != (key, chain)


def test_no_certificate_outlives_its_root(authority: Authority, clock: ManualClock) -> None:
    clock.jump(LIVES.root - 60)
    issued = authority.issue_agent(NAME, certs.request(certs.key()))
    assert issued.not_after == roots(authority)[-1].not_valid_after_utc.timestamp()
