"""Sensitive parameters that came with an attempt: a file of its folder, readable by the agent's user alone.

Called by the executor, which writes it before the conductor is launched and reads it whenever it connects with one. So
an agent that was killed in between loses nothing. The file goes with the folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from workflow.entrusted import SECRET_NAME

ENTRUSTED = "entrusted"
"""Its name inside an attempt's folder."""


def packed(values: Mapping[str, str]) -> bytes:
    """What the file holds."""
    return json.dumps(dict(values)).encode()


def entrusted(folder: Path) -> dict[str, str]:
    """``secret/muster.dev/config/<key>`` -> value; empty where nothing came with the attempt."""
    try:
        found: dict[str, str] = json.loads((folder / ENTRUSTED).read_bytes())
    except FileNotFoundError:
        return {}
    return {f"secret/{SECRET_NAME}/{key}": value for key, value in found.items()}
