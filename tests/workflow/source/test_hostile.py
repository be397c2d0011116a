"""Input made to hurt: each is refused with one clear problem, quickly."""

from __future__ import annotations

import time
import tracemalloc

import pytest

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
    "the same key": ("a: 1\n" * 200_000, "duplicate-key"),
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


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_refused(name: str) -> None:
    text, code = HOSTILE[name]
    started = time.process_time()
    _, problems = read(text, "w.yaml")
    spent = time.process_time() - started
    assert problems[-1].code == code, problems
    assert len(problems) <= 50
    assert all(len(str(problem)) < 500 for problem in problems)
    assert spent < 0.25, "the goal is 50 ms; five times that is allowed for a busy machine"


@pytest.mark.parametrize("name", ["alias bomb", "merge bomb", "many values", "deep list"])
def test_memory_stays_small(name: str) -> None:
    tracemalloc.start()
    try:
        read(HOSTILE[name][0], "w.yaml")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * 1024 * 1024


@pytest.mark.parametrize("text", ["", "\ufeffa: b", "# only words\n", "---\n---\n", "a: |\n  {{ b }}\n"])
def test_harmless_input_is_not_refused(text: str) -> None:
    _, problems = read(text, "w.yaml")
    assert problems == ()
