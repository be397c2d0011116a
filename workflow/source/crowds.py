"""Texts with far too many values, refused before anything of them is built.

Called by ``documents`` first. Counting the parser's events takes a third of the time that building takes, but every
honest document would pay for it too; so only a text with more marks than any honest one has is counted.
"""

from __future__ import annotations

from typing import Final

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from workflow.problems import Position, Problem

from .builder import TOO_MANY_VALUES, Event, parser
from .limits import MAX_DEPTH, MAX_NODES

_MARKS: Final = ",:\n"
"""What stands between values. A workflow of a thousand steps has some 15,000 of them."""
_SUSPICIOUS: Final = 2 * MAX_NODES
_DEEPER: Final[dict[type, int]] = {
    ScalarEvent: 0,
    AliasEvent: 0,
    MappingStartEvent: 1,
    SequenceStartEvent: 1,
}
_HIGHER: Final = frozenset({MappingEndEvent, SequenceEndEvent})


def crowd(text: str, file: str) -> Problem | None:
    """The problem of a text with too many values; None where there is none, or where another problem comes first."""
    if sum(map(text.count, _MARKS)) <= _SUSPICIOUS:
        return None
    try:
        event = _first_beyond(text)
    except yaml.YAMLError:
        return None
    if event is None:
        return None
    at = Position(file, event.start_mark.line + 1, event.start_mark.column + 1)
    return Problem("too-many-values", TOO_MANY_VALUES, at)


def _first_beyond(text: str) -> Event | None:
    """The first value that is one too many; None where lists and mappings go too deep before, or the text ends."""
    following = parser(text).get_event
    values = depth = 0
    while depth <= MAX_DEPTH:
        event = following()
        kind: type = type(event)
        deeper = _DEEPER.get(kind)
        if deeper is not None:
            values += 1
            depth += deeper
            if values > MAX_NODES:
                return event
        elif kind in _HIGHER:
            depth -= 1
        elif kind is StreamEndEvent:
            return None
    return None
