"""Root keys on disk: a folder (0700) of files ``root-<number>.pem`` (0600), each a key and its certificate.

Called by control_plane.adapters.x509.authority. A file appears whole or not at all, and is never changed; of two
processes that make the first root at the same time one wins and both use the winner's.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from control_plane.adapters.x509.certificates import Root


class RootsUnusable(Exception):
    """The root keys cannot be read or kept. The sentence names the file and says what to do."""


def load(folder: Path) -> list[Root]:
    """The roots, oldest first; empty where there is none yet. RootsUnusable."""
    try:
        return [_read(path) for path in _files(folder)]
    except OSError as problem:
        raise RootsUnusable(f"the root keys in {folder} cannot be read: {problem.strerror}") from None


def add(folder: Path, root: Root, number: int) -> None:
    """Keep ``root`` as the ``number``-th, durably. Where there is one by that number already nothing happens.
    RootsUnusable."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        _write_once(folder / f"root-{number}.pem", _pem(root))
    except OSError as problem:
        raise RootsUnusable(f"the root key cannot be kept in {folder}: {problem.strerror}") from None


def _files(folder: Path) -> list[Path]:
    numbered = [(path.stem.removeprefix("root-"), path) for path in folder.glob("root-*.pem")]
    return [path for _, path in sorted((int(number), path) for number, path in numbered if number.isdecimal())]


def _read(path: Path) -> Root:
    if path.stat().st_mode & stat.S_IRWXO:
        raise RootsUnusable(f"{path} can be read by everybody; make it private (chmod 600 {path}) or replace the root")
    content = path.read_bytes()
    try:
        key = load_pem_private_key(content, password=None)
        certificate = x509.load_pem_x509_certificate(content)
    except (ValueError, TypeError):
        raise RootsUnusable(f"{path} holds no root key and certificate; restore it from a backup") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise RootsUnusable(f"the key and the certificate in {path} do not belong together; restore it from a backup")
    return Root(key, certificate)


def _pem(root: Root) -> bytes:
    key = root.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key + root.certificate.public_bytes(Encoding.PEM)


def _write_once(path: Path, content: bytes) -> None:
    """Whole and durable, then linked to its name, which fails where somebody was faster."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")  # 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        _sync_folder(path.parent)
    finally:
        Path(draft).unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
