"""Every text of a plan, and how it is read. Used by bind; the one table of which fields are expressions.

A walk gives back the same object where nothing changed, so that binding a plan that uses none of the names costs only
the walk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum, auto
from functools import cache
from operator import is_
from typing import Any, Protocol, TypeVar, cast

from workflow.plan.nodes import (
    Clone,
    Container,
    ExecuteItem,
    FetchTarball,
    Parallel,
    Plan,
    Retry,
    SaveArtifacts,
    Service,
    Spread,
    Step,
    StopServices,
    Transfer,
)

T = TypeVar("T")


class Reading(Enum):
    """How a field's texts are read."""

    TEMPLATE = auto()
    EXPRESSION = auto()
    LISTS = auto()  # by key: a list of templates, or an expression that gives the list
    SPREAD = auto()  # templates, of which one that gives a list becomes several
    VERBATIM = auto()


_R = Reading
READINGS: Mapping[type, Mapping[str, Reading]] = {
    Plan: dict.fromkeys(("workflow", "description", "labels", "annotations"), _R.VERBATIM),
    Step: {"ref": _R.VERBATIM, "id": _R.VERBATIM, "results_dir": _R.VERBATIM, "condition": _R.EXPRESSION},
    Retry: {"until": _R.EXPRESSION},
    Spread: {"count": _R.EXPRESSION, "max_count": _R.EXPRESSION, "matrix": _R.LISTS, "shards": _R.LISTS},
    Parallel: {"logs": _R.EXPRESSION},
    Service: {"name": _R.VERBATIM, "logs": _R.EXPRESSION},
    StopServices: {"started_by": _R.VERBATIM},
    FetchTarball: {"digest": _R.VERBATIM},
    Container: {"command": _R.SPREAD, "args": _R.SPREAD},
    Clone: {"paths": _R.SPREAD},
    SaveArtifacts: {"paths": _R.SPREAD},
    Transfer: {"files": _R.SPREAD},
}
"""Every field not named here is read as a template."""

SPREADING: frozenset[type] = frozenset({Parallel, Service, ExecuteItem})
"""What is done once for each child, which sees its own ``index``, ``matrix``, ..."""
_OUTSIDE = frozenset({"spread", "working_dir"})
"""The fields of these that are read once for all children."""


class Reader(Protocol):
    """What becomes of a text."""

    def template(self, text: str) -> str: ...

    def expression(self, text: str) -> str: ...

    def spread(self, texts: tuple[str, ...]) -> tuple[str, ...]: ...

    def inside(self, spreading: Parallel | Service | ExecuteItem) -> Reader:
        """The reader for what each child of it sees."""
        ...


def mapped(value: T, reader: Reader) -> T:
    """``value``, a part of a plan, with every text in it read; itself where no text changed."""
    return cast(T, _mapped(value, reader))


def mentions(value: object, names: frozenset[str]) -> frozenset[str]:
    """Which of ``names`` stand as words in any text of a part of a plan; some of them may only look so."""
    reader = _Looking(names)
    mapped(value, reader)
    return frozenset(reader.found)


class _Looking:
    """Changes nothing, and remembers the words that it meets."""

    def __init__(self, names: frozenset[str]) -> None:
        self._words = re.compile(r"\b(?:" + "|".join(map(re.escape, sorted(names))) + r")\b")
        self.found: set[str] = set()

    def template(self, text: str) -> str:
        """Looks at the text where it holds expressions."""
        return self.expression(text) if "{{" in text else text

    def expression(self, text: str) -> str:
        """Looks at the text."""
        self.found.update(self._words.findall(text))
        return text

    def spread(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Looks at the texts."""
        for text in texts:
            self.template(text)
        return texts

    def inside(self, spreading: Parallel | Service | ExecuteItem) -> Reader:
        """Looks there too."""
        return self


def _mapped(value: Any, reader: Reader) -> Any:
    kind = type(value)
    if kind is str:
        return reader.template(value) if "{{" in value else value
    read = _READERS_OF.get(kind) or _reader_of(kind)
    return value if read is _untouched else read(value, reader)


def _reader_of(kind: type) -> Callable[[Any, Reader], Any]:
    """How values of a type are walked, found out once for each type."""
    read = _untouched
    if kind is tuple or kind is list:
        read = _items
    elif issubclass(kind, Mapping):
        read = _mapping
    elif is_dataclass(kind):
        read = _node
    _READERS_OF[kind] = read
    return read


def _untouched(value: Any, reader: Reader) -> Any:
    return value


def _items(value: Any, reader: Reader) -> Any:
    items = [_mapped(item, reader) for item in value]
    return value if all(map(is_, items, value)) else type(value)(items)


def _mapping(value: Mapping[str, Any], reader: Reader) -> Mapping[str, Any]:
    made = {reader.template(key): _mapped(item, reader) for key, item in value.items()}
    return value if all(made.get(key, made) is item for key, item in value.items()) else made


def _node(value: Any, reader: Reader) -> Any:
    changes: dict[str, Any] = {}
    spreading = type(value) in SPREADING
    inner = reader.inside(value) if spreading else reader
    for name, read in _fields(cast(Hashable, type(value))):
        before = getattr(value, name)
        if before is None or before is False or before == () or before == {}:
            continue
        after = read(before, reader if name in _OUTSIDE and spreading else inner)
        if after is not before:
            changes[name] = after
    return replace(value, **changes) if changes else value


@cache
def _fields(kind: Hashable) -> tuple[tuple[str, Callable[[Any, Reader], Any]], ...]:
    readings = READINGS.get(cast(type, kind), {})
    found = ((field.name, readings.get(field.name, Reading.TEMPLATE)) for field in fields(cast(type, kind)))
    return tuple((name, _READERS[reading]) for name, reading in found if reading is not Reading.VERBATIM)


def _expression(value: str, reader: Reader) -> str:
    return reader.expression(value)


def _lists(value: Mapping[str, Any], reader: Reader) -> Mapping[str, Any]:
    made = {
        key: reader.expression(item) if isinstance(item, str) else _mapped(item, reader) for key, item in value.items()
    }
    return value if all(made[key] is item for key, item in value.items()) else made


def _spread(value: tuple[str, ...], reader: Reader) -> tuple[str, ...]:
    return reader.spread(value) if any("{{" in text for text in value) else value


_READERS_OF: dict[type, Callable[[Any, Reader], Any]] = {}
_READERS: Mapping[Reading, Callable[[Any, Reader], Any]] = {
    Reading.TEMPLATE: _mapped,
    Reading.EXPRESSION: _expression,
    Reading.LISTS: _lists,
    Reading.SPREAD: _spread,
}
