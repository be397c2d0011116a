"""What the kubelet laid down for this pod: Secrets, ConfigMaps, fields of the pod. Called by the pod's main.

The agent never sees these values: the kubelet resolves the references that the manifest names, where they live. A
missing Secret or ConfigMap leaves no file, and so is empty to the language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

MAX_VALUE = 1024 * 1024
"""Bytes of one value at the most, which is what Kubernetes allows."""


def laid_down(folder: Path, fields: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """``secret/<name>/<key>`` and ``config/<name>/<key>`` from ``folder``; ``field/...`` from ``env``."""
    found = {name: env[variable] for name, variable in fields.items() if variable in env}
    for kind in ("secret", "config"):
        for directory in _directories(folder / kind):
            found.update({f"{kind}/{directory.name}/{name}": value for name, value in _values(directory)})
    return found


def _directories(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _values(directory: Path) -> Iterator[tuple[str, str]]:
    """Every key; what begins with two dots is the kubelet's own. Bytes that are no UTF-8 come out as they went in."""
    for path in sorted(directory.iterdir()):
        if not path.name.startswith("..") and path.is_file():
            with path.open("rb") as file:
                yield path.name, file.read(MAX_VALUE).decode("utf-8", "surrogateescape")
