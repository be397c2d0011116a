"""Who may import whom is a contract; the contracts stand in .importlinter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_import_contracts_hold() -> None:
    """Runs import-linter as `make check` does."""
    checker = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(checker), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
