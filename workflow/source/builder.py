"""One pass over the parser's events: plain data, places, and every problem of form on the way.

Called by ``documents``. Streams, so that a hostile document is dropped at the first limit that it crosses, before it
is built. Knows nothing of kinds and fields.
"""

from __future__ import annotations

from typing import Final, NoReturn, Protocol

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from workflow.problems import Position, Problem, Severity

from .limits import MAX_ALIASED_NODES, MAX_DEPTH, MAX_NODES, MAX_SYNTAX_PROBLEMS
from .places import Data, Place, Placed, Source
from .scalars import is_not_finite, plain

TOO_MANY_VALUES: Final = f"a file may hold at most {MAX_NODES} keys and values"
_CORE: Final = "tag:yaml.org,2002:"
_ALLOWED_TAGS: Final = frozenset({None, "!", *(_CORE + name for name in ("str", "int", "float", "bool", "null"))})
_ALLOWED_COLLECTION_TAGS: Final = frozenset({None, "!", _CORE + "map", _CORE + "seq"})


class Mark(Protocol):
    """A place in the text, from 0."""

    line: int
    column: int


class Event(Protocol):
    """What PyYAML's events have, each in its kind: an alias has no tag, a mapping no value."""

    start_mark: Mark
    anchor: str | None
    tag: str | None
    value: str
    implicit: tuple[bool, bool]


class Events(Protocol):
    """The part of a YAML parser that is used here; PyYAML's C and Python parsers both have it."""

    def get_event(self) -> Event:
        """The next event; not to be called after the stream's end."""
        ...


class Refused(Exception):
    """The document goes no further: its last problem says why."""


def parser(text: str) -> Events:
    """A streaming parser: libyaml's when it is there, else the slower one in Python."""
    made: Events = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    return made


class Builder:
    """Builds the documents of one stream. Not to be used after it raised ``Refused``."""

    __slots__ = ("_aliased", "_anchors", "_next", "_nodes", "_source", "problems")

    def __init__(self, source: Source) -> None:
        self._next = parser(source.text).get_event
        self._source = source
        self._anchors: dict[str, tuple[Data, Place, int] | None] = {}
        self._nodes = 0
        self._aliased = 0
        self.problems: list[Problem] = []

    def next_document(self) -> tuple[Data, Place] | None:
        """The next document, or None at the end of the stream. Raises ``Refused`` and ``yaml.YAMLError``."""
        while True:
            event = self._next()
            kind: type = type(event)
            if kind is StreamEndEvent:
                return None
            if kind is DocumentStartEvent:
                self._anchors.clear()
                return self._node(self._next(), 0)

    def _node(self, event: Event, depth: int) -> tuple[Data, Place]:
        kind: type = type(event)
        self._nodes += 1
        if self._nodes + self._aliased > MAX_NODES:
            self._check_size(event)
        if kind is ScalarEvent:
            return self._scalar(event)
        if kind is AliasEvent:
            return self._alias(event)
        if depth >= MAX_DEPTH:
            self._refuse("too-deep", f"lists and mappings are nested deeper than {MAX_DEPTH} levels", event)
        anchor, nodes = event.anchor, self._nodes + self._aliased
        if event.tag not in _ALLOWED_COLLECTION_TAGS:
            self._bad_tag(event)
        if anchor is not None:
            self._anchors[anchor] = None
        built = self._mapping(event, depth + 1) if kind is MappingStartEvent else self._sequence(event, depth + 1)
        if anchor is not None:
            self._anchors[anchor] = (*built, self._nodes + self._aliased - nodes + 1)
        return built

    def _scalar(self, event: Event) -> tuple[Data, Place]:
        mark = event.start_mark
        place: Place = (self._source, mark.line + 1, mark.column + 1, None)
        text = event.value
        if event.tag is not None:
            value: Data = self._tagged(event)
        elif event.implicit[0]:
            value = plain(text)
            if value is text and text[:1] in ".+-" and is_not_finite(text):
                self._problem("not-a-number", f"{text} cannot be used as a number", event)
        else:
            value = text
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, place, 1)
        return value, place

    def _tagged(self, event: Event) -> Data:
        tag = event.tag
        if tag not in _ALLOWED_TAGS:
            self._bad_tag(event)
        text = event.value
        if tag in ("!", _CORE + "str"):
            return text
        value = plain(text)
        found = "null" if value is None else type(value).__name__
        if tag == _CORE + found or (found == "int" and tag == _CORE + "float"):
            return value
        self._problem("bad-tag", f"{text!r} is not of the type that its tag says", event)
        return None

    def _sequence(self, event: Event, depth: int) -> tuple[Data, Place]:
        items: list[Data] = []
        places: list[Place] = []
        following = self._next()
        while not isinstance(following, SequenceEndEvent):
            value, place = self._node(following, depth)
            items.append(value)
            places.append(place)
            following = self._next()
        mark = event.start_mark
        return items, (self._source, mark.line + 1, mark.column + 1, places)

    def _mapping(self, event: Event, depth: int) -> tuple[Data, Place]:
        fields: dict[str, Data] = {}
        places: dict[str, Placed] = {}
        merged: list[tuple[Data, Place, Event]] = []
        following = self._next()
        while not isinstance(following, MappingEndEvent):
            key = self._key(following)
            mark = following.start_mark
            value, place = self._node(self._next(), depth)
            if key == "<<" and following.implicit[0]:
                merged.append((value, place, following))
                following = self._next()
                continue
            if key in fields:
                self._repeated(key, fields[key], value, places[key], following)
            fields[key] = value
            places[key] = (mark.line + 1, mark.column + 1, place)
            following = self._next()
        for value, place, source in merged:
            self._merge(fields, places, value, place, source)
        mark = event.start_mark
        return fields, (self._source, mark.line + 1, mark.column + 1, places)

    def _repeated(self, key: str, before: Data, now: Data, first: Placed, event: Event) -> None:
        """A key that stands twice. Two blocks occur in real documents: the later one counts, as in the reference."""
        message = f"{key!r} is given twice (first in line {first[0]})"
        if isinstance(before, dict) and isinstance(now, dict):
            self._warn("duplicate-key", f"{message}; the first is ignored", event)
        else:
            self._problem("duplicate-key", message, event)

    def _key(self, event: Event) -> str:
        self._nodes += 1
        if not isinstance(event, ScalarEvent):
            self._refuse("bad-key", "a key must be plain text", event)
        if event.tag not in _ALLOWED_TAGS:
            self._bad_tag(event)
        if event.implicit[0] and event.value in ("", "~"):
            self._refuse("bad-key", "a key is missing before ':'", event)
        key = event.value
        if event.anchor is not None:
            mark = event.start_mark
            self._anchors[event.anchor] = (key, (self._source, mark.line + 1, mark.column + 1, None), 1)
        return key

    def _merge(
        self, fields: dict[str, Data], places: dict[str, Placed], value: Data, place: Place, event: Event
    ) -> None:
        """Adds what ``<<`` names; keys that are written out, and earlier sources, win."""
        inside = place[3]
        if isinstance(value, dict) and isinstance(inside, dict):
            for key, item in value.items():
                if key not in fields:
                    fields[key] = item
                    places[key] = inside[key]
        elif isinstance(value, list) and isinstance(inside, list) and all(isinstance(v, dict) for v in value):
            for item, at in zip(value, inside, strict=True):
                self._merge(fields, places, item, at, event)
        else:
            self._problem("bad-merge", "'<<' merges a mapping or a list of mappings", event)

    def _alias(self, event: Event) -> tuple[Data, Place]:
        name = event.anchor
        if name is None or name not in self._anchors:
            self._refuse("unknown-anchor", f"there is no anchor &{name} before this", event)
        known = self._anchors[name]
        if known is None:
            self._refuse("endless-alias", f"&{name} contains itself", event)
        value, place, size = known
        self._aliased += size - 1
        self._check_size(event)
        return value, place

    def _check_size(self, event: Event) -> None:
        if self._nodes > MAX_NODES:
            self._refuse("too-many-values", TOO_MANY_VALUES, event)
        if self._nodes + self._aliased > MAX_ALIASED_NODES:
            message = f"with all aliases followed, a file may hold at most {MAX_ALIASED_NODES} keys and values"
            self._refuse("too-many-aliases", message, event)

    def _bad_tag(self, event: Event) -> NoReturn:
        self._refuse("bad-tag", f"the tag {str(event.tag)[:80]!r} is not allowed", event, "remove the tag")

    def _problem(self, code: str, message: str, event: Event, hint: str = "") -> None:
        self.problems.append(Problem(code, message, self._at(event), hint=hint))
        if len(self.problems) >= MAX_SYNTAX_PROBLEMS:
            raise Refused

    def _warn(self, code: str, message: str, event: Event) -> None:
        if len(self.problems) < MAX_SYNTAX_PROBLEMS // 2:
            self.problems.append(Problem(code, message, self._at(event), Severity.WARNING))

    def _at(self, event: Event) -> Position:
        mark = event.start_mark
        return Position(self._source.name, mark.line + 1, mark.column + 1)

    def _refuse(self, code: str, message: str, event: Event, hint: str = "") -> NoReturn:
        self._problem(code, message, event, hint)
        raise Refused
