"""The key in a file: made once, private, rolled, lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from control_plane.adapters.vault import FileVault
from control_plane.ports.opening import Unusable
from control_plane.ports.vault import Unreadable


def test_the_key_is_private_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    sealed = FileVault.open(path).seal(b"hunter2")
    assert path.stat().st_mode & 0o777 == 0o600
    assert FileVault.open(path).unseal(sealed) == b"hunter2"
    assert [each.name for each in tmp_path.iterdir()] == ["vault.key"]


def test_programs_that_start_together_use_one_key(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    with ThreadPoolExecutor(8) as pool:
        vaults = list(pool.map(lambda _: FileVault.open(path), range(8)))
    sealed = vaults[0].seal(b"hunter2")
    assert all(vault.unseal(sealed) == b"hunter2" for vault in vaults)


def test_a_new_key_before_the_old_one_opens_both(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    old = FileVault.open(path).seal(b"hunter2")
    path.write_bytes(Fernet.generate_key() + b"\n" + path.read_bytes())
    rolled = FileVault.open(path)
    assert rolled.unseal(old) == b"hunter2"
    new = rolled.seal(b"hunter3")
    path.write_bytes(path.read_bytes().split()[0])
    assert FileVault.open(path).unseal(new) == b"hunter3"
    with pytest.raises(Unreadable, match="restore it"):
        FileVault.open(path).unseal(old)


@pytest.mark.parametrize("content", [b"", b"no key", b"a" * 44])
def test_a_file_that_is_no_key_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vault.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Unusable, match="restore it"):
        FileVault.open(path)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    FileVault.open(path)
    path.chmod(0o640)
    with pytest.raises(Unusable, match="chmod 600"):
        FileVault.open(path)


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot be read or made"):
        FileVault.open(tmp_path / "missing" / "vault.key")
