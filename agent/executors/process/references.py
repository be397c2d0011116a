"""Secrets and configuration that an agent on one machine was given: files, ``secrets/NAME/KEY`` and
``configmaps/NAME/KEY``.

Called by the executor, each time that it connects with a conductor whose plan names some. Values stay in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

MAX_VALUE = 256 * 1024
"""Bytes of one value at the most; longer ones are as good as missing."""
MAX_ALL = 768 * 1024
"""Bytes of all values of an execution together: they travel in one message."""

_FOLDERS = {"secret": "secrets", "config": "configmaps"}


def resolve(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """``secret/NAME/KEY`` and ``config/NAME/KEY`` -> value, for those that exist. ``secret/NAME/`` means every key."""
    found: dict[str, str] = {}
    size = 0
    for name in sorted(names):
        for key, path in _files(folder, name):
            value = _value(path)
            size += len(value or "")
            if value is not None and size <= MAX_ALL:
                found[key] = value
    return found


def _files(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    kind, owner, key = name.split("/", 2)
    if owner in {"", ".", ".."} or key in {".", ".."} or "/" in key:
        return
    place = folder / _FOLDERS[kind] / owner
    if key:
        yield name, place / key
    elif place.is_dir():
        yield from ((f"{kind}/{owner}/{path.name}", path) for path in sorted(place.iterdir()))


def _value(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_VALUE + 1)
    except OSError:
        return None
    return data.decode("utf-8", "replace") if len(data) <= MAX_VALUE else None
