"""The vault's twin: what was sealed stays in memory, and its seal is a number by chance."""

from __future__ import annotations

import os

from control_plane.ports.vault import Unreadable


class MemoryVault:
    """The Vault port. ``forget`` makes everything unreadable, as a lost key does."""

    def __init__(self) -> None:
        self._kept: dict[bytes, bytes] = {}

    def seal(self, data: bytes) -> bytes:
        """As the port says."""
        sealed = os.urandom(16).hex().encode()
        self._kept[sealed] = data
        return sealed

    def unseal(self, sealed: bytes) -> bytes:
        """As the port says."""
        try:
            return self._kept[sealed]
        except KeyError:
            raise Unreadable("nothing was sealed so here") from None

    def forget(self) -> None:
        """The key is lost."""
        self._kept.clear()
