"""Sensitive parameters that came with an attempt: a file beside its bundle, which steps cannot read.

Written by the executors before the conductor is launched: the process executor reads it whenever it connects, in a pod
the conductor reads it itself. So an agent that was killed in between loses nothing. The file goes with the attempt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from workflow.entrusted import SECRET_NAME

ENTRUSTED = "entrusted"
"""Its name beside the bundle."""


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
