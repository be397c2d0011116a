"""The generated methods of value classes, compiled when the image is made.

``dataclasses`` writes the methods of every class as text and compiles them whenever a program starts: more than half of
what a conductor's start takes. ``python -m agent.conductor.pod.prepared`` compiles them once and keeps them beside the
other compiled files; the pod's first lines put them in place before anything else is loaded. A method is found by its
whole text, so what differs in any way (another Python, another version of a class, no such file) is compiled as ever.
"""

from __future__ import annotations

import builtins
import dataclasses
import marshal
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType

FILE = Path(__file__).parent / "__pycache__" / f"methods.{sys.implementation.cache_tag}.bin"
_COMPILE = "exec"
"""The one name by which ``dataclasses`` has its texts compiled and run."""


def use(file: Path = FILE) -> int:
    """Take compiled methods from ``file``, where it can be used; how many there are."""
    try:
        data = file.read_bytes()
        known: dict[str, CodeType] = marshal.loads(data[len(MAGIC_NUMBER) :])  # noqa: S302 - of our own image
    except (OSError, ValueError, EOFError, TypeError):
        return 0
    if data[: len(MAGIC_NUMBER)] != MAGIC_NUMBER:
        return 0

    def run(text: str, names: dict[str, object], found: dict[str, object] | None = None) -> None:
        builtins.exec(known.get(text, text), names, found)  # noqa: S102 - what the standard library itself does

    setattr(dataclasses, _COMPILE, run)
    return len(known)


def prepare(file: Path = FILE) -> int:
    """Load a conductor, and keep what was compiled for it; how many methods."""
    known: dict[str, CodeType] = {}

    def run(text: str, names: dict[str, object], found: dict[str, object] | None = None) -> None:
        known[text] = compile(text, "<dataclass>", "exec")
        builtins.exec(known[text], names, found)  # noqa: S102

    setattr(dataclasses, _COMPILE, run)
    try:
        from agent.conductor.pod import executing, main

        assert executing and main
    finally:
        delattr(dataclasses, _COMPILE)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(MAGIC_NUMBER + marshal.dumps(known))
    return len(known)


if __name__ == "__main__":
    sys.stdout.write(f"{prepare()} methods of value classes compiled\n")
