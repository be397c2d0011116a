"""The index of a corpus: a row a document. Read by tests.conformance.corpus and corpus_runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow.model import Parsed, parse_documents


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the index. ``group`` is its class, ``tier`` what it needs, ``expect`` how it ends."""

    name: str
    kind: str
    group: str
    templates: tuple[str, ...]
    path: Path
    tier: str = ""
    expect: str = ""


def rows_of(index: Path) -> list[Row]:
    """The rows of an index file."""
    return [_row(row, index.parent) for row in json.loads(index.read_text())]


def parsed(row: Row) -> Parsed:
    """The row's documents. Raises ``InvalidDocument``."""
    return parse_documents(row.path.read_bytes(), row.path.name)


def _row(row: Mapping[str, Any], folder: Path) -> Row:
    name = row["name"] or row["file"]
    more = (row.get("tier") or "", row.get("expect") or "")
    return Row(name, row["kind"], row["class"], tuple(row["templates"] or ()), folder / row["file"], *more)
