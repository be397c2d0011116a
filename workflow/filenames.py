"""Names of artifacts: relative, confined, and the same file on every file system.

Called by control_plane.services.artifacts before anything is stored, and by muster.client before anything is written.
Knows nothing of file systems but their traps.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_NAME: Final = 1024
"""Bytes of UTF-8 of a name at the most."""
MAX_PART: Final = 255
"""Bytes of UTF-8 of one part between slashes at the most: what file systems hold."""

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_DRIVE: Final = re.compile("[A-Za-z]:")


class BadName(ValueError):
    """The name is refused. The message says why."""


def artifact_name(text: str) -> str:
    """``text`` checked as a normalised relative path with ``/`` between its parts. Raises ``BadName``."""
    if not text:
        raise BadName("an artifact needs a name")
    if _CONTROL.search(text):
        raise BadName(f"the name {text[:80]!a} holds control characters")
    if len(text.encode()) > MAX_NAME:
        raise BadName(f"the name {text[:40]!r}... is longer than {MAX_NAME} bytes")
    if "\\" in text or _DRIVE.match(text) or text.startswith("/"):
        raise BadName(f"the name {text[:80]!r} is no relative path with '/' between its parts")
    for part in text.split("/"):
        _check_part(part, text)
    return text


def _check_part(part: str, text: str) -> None:
    if part in {"", ".", ".."}:
        raise BadName(f"the name {text[:80]!r} is not normalised: it has a part {part!r}")
    if part != part.strip(" ") or part.endswith("."):
        raise BadName(f"the name {text[:80]!r} has a part that ends with a dot or a space, or begins with a space")
    if len(part.encode()) > MAX_PART:
        raise BadName(f"the name {text[:40]!r}... has a part longer than {MAX_PART} bytes")


class Names:
    """The names of one set of files, none of which may take another's place on any file system."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}  # folded -> as it was first written
        self._folders: dict[str, str] = {}  # folded -> a file in it

    def add(self, name: str) -> None:
        """Take the name in; the same name again changes nothing. Raises ``BadName`` where it collides."""
        key = _folded(name)
        known = self._files.get(key)
        if known == name:
            return
        if known is not None:
            raise BadName(f"{name[:80]!r} and {known[:80]!r} are the same name on some file systems")
        parts = key.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts))]
        file_above = next((self._files[folder] for folder in above if folder in self._files), None)
        other = self._folders.get(key) or file_above
        if other is not None:
            raise BadName(f"{name[:80]!r} and {other[:80]!r} cannot both be: one is a file where the other is a folder")
        self._files[key] = name
        for folder in above:
            self._folders.setdefault(folder, name)


def _folded(name: str) -> str:
    """The same text for names that some file system takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
