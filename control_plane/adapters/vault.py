"""A vault whose key lies in a file (0600) of the state directory. The production adapter of the Vault port; made by
the assembly.

One key a line, of which the first seals and each opens: to roll the key, put a new one before the old. Suite:
tests/contracts/vault.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from control_plane.ports.opening import Unusable
from control_plane.ports.vault import Unreadable


class FileVault:
    """The Vault port."""

    def __init__(self, keys: MultiFernet, path: Path) -> None:
        self._keys = keys
        self._path = path

    @classmethod
    def open(cls, path: Path) -> FileVault:
        """The vault with the key in ``path``, which is made where there is none. Unusable."""
        try:
            if not path.exists():
                _write_once(path, Fernet.generate_key() + b"\n")
            if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Unusable(f"{path} can be read by others; make it private: chmod 600 {path}")
            return cls(MultiFernet([Fernet(line) for line in path.read_bytes().split()]), path)
        except ValueError:
            raise Unusable(f"{path} holds no key for sensitive parameters; restore it from a backup") from None
        except OSError as problem:
            raise Unusable(f"the key {path} cannot be read or made: {problem.strerror or problem}") from None

    def seal(self, data: bytes) -> bytes:
        """As the port says."""
        return self._keys.encrypt(data)

    def unseal(self, sealed: bytes) -> bytes:
        """As the port says."""
        try:
            return self._keys.decrypt(sealed)
        except InvalidToken:
            raise Unreadable(f"they were sealed with another key than that in {self._path}; restore it") from None


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
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        Path(draft).unlink()
