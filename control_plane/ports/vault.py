"""Where values are sealed that the store must not keep in clear: sensitive parameters of executions.

Called by control_plane.services.entrusted alone. Sealing is fast (tens of microseconds), does no I/O and may be done in
any thread. Adapters: control_plane.adapters.vault (a key in a file), .memory (the tests' twin); one contract suite,
tests/contracts/vault.
"""

from __future__ import annotations

from typing import Protocol


class Unreadable(Exception):
    """What was sealed cannot be opened: with another key, or it was changed. The sentence says what to do."""


class Vault(Protocol):
    """The port."""

    def seal(self, data: bytes) -> bytes:
        """Sealed, so that nobody without the key learns or changes any of it. Sealing twice gives two texts."""
        ...

    def unseal(self, sealed: bytes) -> bytes:
        """What ``seal`` was given, today or before a restart. Unreadable."""
        ...
