"""Files and rolls of the authority on disk; its behaviour as a port is in tests/contracts/authority."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from control_plane.adapters.memory import ManualClock
from control_plane.adapters.x509 import Lives, RootsUnusable, X509Authority
from tests.contracts.authority import certs
from workflow.identifiers import AgentName

NAME = AgentName("dev-runner")
LIVES = Lives(agent=600, server=9000, root=100_000)


def opened(folder: Path, clock: ManualClock) -> X509Authority:
    return X509Authority(folder, ["localhost"], clock, LIVES)


def roots(authority: X509Authority) -> list[x509.Certificate]:
    """Newest first."""
    return x509.load_pem_x509_certificates(authority.roots_pem())


def issuer(authority: X509Authority, among: list[x509.Certificate]) -> int:
    """Which of the roots signs agents' certificates now."""
    chain = authority.issue_agent(NAME, certs.request(certs.key())).chain
    certificate = x509.load_der_x509_certificate(chain[0])
    return next(index for index, root in enumerate(among) if _signed(certificate, root))


def _signed(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except Exception:
        return False
    return True


def test_keys_are_private(tmp_path: Path) -> None:
    opened(tmp_path / "ca", ManualClock())
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700
    files = list((tmp_path / "ca").iterdir())
    assert [path.name for path in files] == ["root-1.pem"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_two_first_starts_agree(tmp_path: Path) -> None:
    clock = ManualClock()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: opened(tmp_path / "ca", clock).roots_pem(), range(8)))
    assert len(set(made)) == 1


def test_a_draft_left_by_a_crash_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / ".draft-x").write_bytes(b"half")
    (tmp_path / "ca" / "root-1.pem.bak").write_bytes(b"something else")
    assert len(roots(opened(tmp_path / "ca", ManualClock()))) == 1


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "ca", ManualClock())
    (tmp_path / "ca" / "root-1.pem").chmod(0o644)
    with pytest.raises(RootsUnusable, match="chmod 600"):
        opened(tmp_path / "ca", ManualClock())


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_broken_key_is_refused(tmp_path: Path, content: bytes) -> None:
    opened(tmp_path / "ca", ManualClock())
    (tmp_path / "ca" / "root-1.pem").write_bytes(content)
    with pytest.raises(RootsUnusable, match="backup"):
        opened(tmp_path / "ca", ManualClock())


def test_a_key_of_another_root_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        opened(tmp_path / name, ManualClock())
    path, other = tmp_path / "a" / "root-1.pem", tmp_path / "b" / "root-1.pem"
    key = path.read_bytes().split(b"-----BEGIN CERTIFICATE")[0]
    path.write_bytes(key + b"-----BEGIN CERTIFICATE" + other.read_bytes().split(b"-----BEGIN CERTIFICATE")[1])
    with pytest.raises(RootsUnusable, match="belong together"):
        opened(tmp_path / "a", ManualClock())


def test_a_place_where_nothing_can_be_kept_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RootsUnusable, match=str(tmp_path / "file")):
        opened(tmp_path / "file" / "ca", ManualClock())


async def test_a_roll_overlaps(tmp_path: Path) -> None:
    clock = ManualClock()
    authority = opened(tmp_path / "ca", clock)
    await clock.advance(10_000)
    first = roots(authority)
    before = authority.server_pem()
    authority.roll()
    both = roots(authority)
    assert both[1:] == first
    assert len(both) == 2
    assert issuer(authority, both) == 1  # agents do not know the new one yet
    assert x509.load_pem_x509_certificate(authority.server_pem()[1]).issuer == first[0].subject
    await clock.advance(LIVES.agent)
    assert issuer(authority, both) == 0
    assert authority.server_pem() != before
    assert roots(opened(tmp_path / "ca", clock)) == both
    clock.jump(LIVES.root - 10_000 - LIVES.agent)
    assert roots(authority) == both[:1]


def test_a_root_near_its_end_is_rolled_by_itself(tmp_path: Path) -> None:
    clock = ManualClock()
    opened(tmp_path / "ca", clock)
    clock.jump(LIVES.root * 0.95)
    assert len(roots(opened(tmp_path / "ca", clock))) == 2
