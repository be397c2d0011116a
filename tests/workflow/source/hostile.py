"""Input made to hurt, with the code of the problem that refuses each; and how long that takes.

Read by the tests beside this and by tests.bench.language. ``python -m tests.workflow.source.hostile`` prints, as JSON,
the milliseconds of CPU time that each takes: in a process of its own, so that neither another program on the machine
nor the collection of somebody else's garbage counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping

from workflow.source import MAX_BYTES, read

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)
)
MERGE_BOMB = "a: &a {x: [1,2,3,4,5,6,7,8,9,10]}\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} {{{', '.join(f'k{n}: *{chr(97 + i)}' for n in range(10))}, <<: *{chr(97 + i)}}}\n"
    for i in range(9)
)

HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "alias bomb": (BOMB, "too-many-aliases"),
    "merge bomb": (MERGE_BOMB, "too-many-aliases"),
    "alias of itself": ("a: &a [*a]", "endless-alias"),
    "merge of itself": ("a: &a {<<: *a}", "endless-alias"),
    "unknown alias": ("a: *b", "unknown-anchor"),
    "deep list": ("[" * 1_000_000, "too-deep"),
    "deep mapping": ("{a: " * 200_000, "too-deep"),
    "deep block": ("- " * 300_000, "too-deep"),
    "a million keys": ("".join(f"key{i}: 1\n" for i in range(1_000_000)), "too-large"),
    "many keys": ("".join(f"k{i}: 1\n" for i in range(80_000)), "too-many-values"),
    "many values": ("[" + "a," * 500_000 + "]", "too-many-values"),
    "the same key": ("a: 1\n" * 10_000, "duplicate-key"),
    "the same key, too often": ("a: 1\n" * 200_000, "too-many-values"),
    "many keys that no one asked for": (
        "".join(f"k{i}: [1, [2, {{a: b}}]]\n" for i in range(20_000)),
        "too-many-values",
    ),
    "many documents": ("---\n{}\n" * 10_000, "too-many-documents"),
    "100 MB": (b"a" * 100_000_000, "too-large"),
    "too many bytes of few characters": ("é" * (MAX_BYTES - 1), "too-large"),
    "a Python object": ("a: !!python/object/apply:os.system [ls]", "bad-tag"),
    "a custom tag": ("a: !mine x", "bad-tag"),
    "binary": ("a: !!binary aGVsbG8=", "bad-tag"),
    "NUL": (b"a: b\nc: \x00", "bad-character"),
    "escape": ("a: \x1b[2J", "bad-character"),
    "a lone surrogate": ("a: \ud800", "bad-character"),
    "UTF-16": ("a: b".encode("utf-16"), "not-utf-8"),
    "Latin-1": ("a: é".encode("latin-1"), "not-utf-8"),
    "a list as key": ("? [a, b]\n: c", "bad-key"),
    "question marks": ("? " * 300_000, "bad-key"),
    "a list": ("- a", "not-a-document"),
    "a word": ("hello", "not-a-document"),
    "half a document": ('{"a": [1, 2', "syntax"),
    "a long quote": ('"' + "a" * 1_000_000, "syntax"),
    "tabs": ("\t" * 900_000 + "x", "syntax"),
}

TURNS = 3
"""How often each is read; the fastest counts."""


def milliseconds() -> Mapping[str, float]:
    """What each takes, measured in a fresh process."""
    told = subprocess.run([sys.executable, "-m", __name__], capture_output=True, check=True, timeout=300)
    found: Mapping[str, float] = json.loads(told.stdout)
    return found


def _fastest(text: str | bytes) -> float:
    taken = []
    for _ in range(TURNS):
        begin = time.process_time()
        read(text, "w.yaml")
        taken.append(time.process_time() - begin)
    return min(taken) * 1e3


if __name__ == "__main__":
    sys.stdout.write(json.dumps({name: _fastest(text) for name, (text, _) in HOSTILE.items()}))
