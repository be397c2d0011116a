"""What every adapter of the Vault port must do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_plane.adapters.memory import MemoryVault
from control_plane.adapters.vault import FileVault
from control_plane.ports.vault import Unreadable, Vault


@pytest.fixture(params=["memory", "file"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    """A vault."""
    return MemoryVault() if request.param == "memory" else FileVault.open(tmp_path / "vault.key")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=2000))
def test_what_was_sealed_is_opened_again(vault: Vault, data: bytes) -> None:
    assert vault.unseal(vault.seal(data)) == data


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=8, max_size=200))
def test_a_seal_tells_nothing(vault: Vault, data: bytes) -> None:
    sealed = vault.seal(data)
    assert data not in sealed
    assert vault.seal(data) != sealed


@pytest.mark.parametrize("sealed", [b"", b"no seal", b"\x00" * 100])
def test_what_was_not_sealed_is_unreadable(vault: Vault, sealed: bytes) -> None:
    with pytest.raises(Unreadable):
        vault.unseal(sealed)


def test_what_was_changed_is_unreadable(vault: Vault) -> None:
    sealed = vault.seal(b"hunter2")
    for place in (0, len(sealed) // 2):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(Unreadable):
            vault.unseal(bytes(changed))
