"""The documents of a file: decoded, split, each with its kind and name.

Called by ``workflow.model`` and by the command line. Lists (``kind: List``, as ``kubectl get -o yaml`` prints them)
are taken apart here, so that nobody else meets them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

import yaml

from workflow.problems import InvalidDocument, Position, Problem, errors, in_order

from .builder import Builder, Refused
from .crowds import crowd
from .limits import MAX_BYTES, MAX_DOCUMENTS
from .places import Data, Path, Place, Source, position_at

_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_HELM: Final = re.compile(r"^\s*\{\{-?\s*(if|include|range|with|end|define|template|\.Values)\b", re.MULTILINE)
_HELM_HINT: Final = "this looks like a Helm template: render it first with `helm template`"
_LONGEST_MESSAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Document:
    """One document. ``kind`` and ``name`` are empty when it does not say them as text."""

    kind: str
    name: str
    data: dict[str, Data]
    place: Place = field(repr=False, compare=False)
    source: Source = field(repr=False, compare=False)

    @property
    def file(self) -> str:
        """The name of the file, for messages."""
        return self.source.name

    def position(self, path: Path = (), *, key: bool = False) -> Position:
        """Where the value at ``path`` (with ``key``: its key) stands, or the nearest value around it."""
        return position_at(self.place, path, key=key)

    def raw(self, position: Position) -> str:
        """The word as it was written at ``position``; empty when there is none."""
        lines = self.source.lines
        if not 0 < position.line <= len(lines):
            return ""
        found = re.match(r"[^\s#,\]}]+", lines[position.line - 1][position.column - 1 :])
        return found[0] if found else ""


def read_documents(text: str | bytes, file: str) -> list[Document]:
    """All documents of a YAML or JSON file. Raises ``InvalidDocument`` with every problem of form."""
    documents, problems = read(text, file)
    if errors(problems):
        raise InvalidDocument(problems)
    return documents


def read(text: str | bytes, file: str) -> tuple[list[Document], tuple[Problem, ...]]:
    """The documents that could be read, and every problem of form. Never raises for what the text says."""
    decoded = _decoded(text, file)
    if isinstance(decoded, Problem):
        return [], (decoded,)
    if (crowded := crowd(decoded, file)) is not None:
        return [], (crowded,)
    documents: list[Document] = []
    source = Source(file, decoded)
    builder = Builder(source)
    problems = builder.problems
    try:
        while (built := builder.next_document()) is not None:
            documents += _documents(*built, source, problems)
            if len(documents) > MAX_DOCUMENTS:
                at = documents[-1].position()
                problems.append(Problem("too-many-documents", f"a file may hold {MAX_DOCUMENTS} documents", at))
                break
    except Refused:
        pass
    except yaml.YAMLError as error:
        problems.append(_syntax(error, file))
    if problems and _HELM.search(decoded):
        problems[-1] = replace(problems[-1], hint=_HELM_HINT)
    return documents, in_order(problems)


def _decoded(text: str | bytes, file: str) -> str | Problem:
    if len(text) > MAX_BYTES:
        return Problem("too-large", f"a file may have at most {MAX_BYTES // 1024} KiB", Position(file))
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            return _not_utf8(error, file)
    text = text.removeprefix("\ufeff")
    found = _FORBIDDEN.search(text)
    if found:
        before = text[: found.start()]
        at = Position(file, before.count("\n") + 1, found.start() - before.rfind("\n"))
        return Problem("bad-character", f"the character U+{ord(found[0]):04X} is not allowed", at)
    if len(text) > MAX_BYTES // 4 and len(text.encode()) > MAX_BYTES:
        return Problem("too-large", f"a file may have at most {MAX_BYTES // 1024} KiB", Position(file))
    return text


def _not_utf8(error: UnicodeDecodeError, file: str) -> Problem:
    good = error.object[: error.start]
    at = Position(file, good.count(b"\n") + 1, len(good) - good.rfind(b"\n"))
    utf16 = error.object.startswith((b"\xff\xfe", b"\xfe\xff"))
    hint = "it is UTF-16: save it as UTF-8" if utf16 else "save it as UTF-8"
    return Problem("not-utf-8", "this is not UTF-8 text", at, hint=hint)


def _documents(data: Data, place: Place, source: Source, problems: list[Problem]) -> list[Document]:
    """The documents in one YAML document: none when it is empty, the items when it is a list."""
    if data is None:
        return []
    if not isinstance(data, dict):
        at = position_at(place, ())
        problems.append(Problem("not-a-document", "a document must be a mapping with apiVersion and kind", at))
        return []
    kind = data.get("kind")
    items = data.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        inside = place[3]
        places = inside["items"][2][3] if isinstance(inside, dict) else None
        listed: list[Document] = []
        for item, at_item in zip(items, places if isinstance(places, list) else [], strict=False):
            listed += _documents(item, at_item, source, problems) if len(listed) <= MAX_DOCUMENTS else []
        return listed
    metadata = data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    kind_text, name_text = (value if isinstance(value, str) else "" for value in (kind, name))
    return [Document(kind_text, name_text, data, place, source)]


def _syntax(error: yaml.YAMLError, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = [str(part) for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part]
    message = ", ".join(said) or "this is not YAML"
    at = Position(file, mark.line + 1, mark.column + 1) if mark else Position(file)
    return Problem("syntax", f"not valid YAML: {message[:_LONGEST_MESSAGE]}", at)
