"""Coverage-guided fuzzing: ``python -m tests.fuzz TARGET [libFuzzer's arguments] [FOLDER]``.

Needs the extra ``fuzz`` (``pip install -e '.[fuzz]'``). Begins with the seeds beside this file; what it finds new is
kept in FOLDER (else in a temporary one). Ten minutes: ``python -m tests.fuzz templates -max_total_time=600 found``.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

SEEDS = Path(__file__).parent / "seeds"
NAMES = sorted(folder.name for folder in SEEDS.iterdir())


def main(arguments: list[str]) -> int:
    """Fuzz one target until libFuzzer ends the process."""
    if not arguments or arguments[0] not in NAMES:
        sys.stderr.write(f"usage: python -m tests.fuzz {'|'.join(NAMES)} [libFuzzer's arguments] [FOLDER]\n")
        return 2
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        sys.stderr.write("this needs atheris: pip install -e '.[fuzz]'\n")
        return 2
    name, *more = arguments
    with atheris.instrument_imports(include=["workflow"]):
        targets: Any = importlib.import_module("tests.fuzz.targets")
    flags = [each for each in more if each.startswith("-")]
    folders = [each for each in more if not each.startswith("-")] or [tempfile.mkdtemp(prefix="muster-fuzz-")]
    limits = ["-max_len=4096", "-timeout=20", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], *limits, *flags, *folders, str(SEEDS / name)], lambda data: targets.tried(name, data))
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
