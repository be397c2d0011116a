"""The pod's own service-account token, where its workflow names an account: masked like a secret.

Read by the pod's conductor. The kubelet renews it while the pod runs, so it is looked at again; what it was before may
still be printed and stays masked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_MAX = 64 * 1024
_REMEMBERED = 8


class Tokens:
    """All tokens that the pod has had, the newest last."""

    def __init__(self, path: Path = TOKEN) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._seen: tuple[str, ...] = ()

    def __call__(self) -> tuple[str, ...]:
        """The same tuple for as long as there is no other token."""
        try:
            status = self._path.stat()
            stamp = status.st_ino, status.st_mtime_ns
            if stamp != self._stamp:
                with self._path.open() as file:
                    token = file.read(_MAX).strip()
                self._stamp = stamp
                if token and token not in self._seen:
                    self._seen = (*self._seen, token)[-_REMEMBERED:]
        except (OSError, UnicodeDecodeError):
            return self._seen
        return self._seen
