"""YAML, read and written as the reference does it: version 1.2 scalars, four blanks of indentation.

Used by the functions yaml and toyaml. Reads the first document only; aliases are paid for as if they were written out,
so a small text cannot stand for an enormous value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from typing import Final

import yaml

from workflow.expressions.data import Datum, Nothing
from workflow.expressions.errors import ExpressionError
from workflow.expressions.limits import MAX_ITEMS, MAX_NESTING, Budget
from workflow.expressions.numbers import float_text
from workflow.expressions.values import scalar_text
from workflow.expressions.yaml_scalars import plain_value, safe_plain

_TAG: Final = "tag:yaml.org,2002:"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class _Open:
    """A list or map whose end has not come yet."""

    container: list[Datum] | dict[str, Datum]
    anchor: str | None
    before: int
    key: str | None = None
    merged: list[dict[str, Datum]] = field(default_factory=list)
    own: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Reading:
    """The document built so far."""

    budget: Budget
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Datum, int]] = field(default_factory=dict)
    size: int = 0
    root: Datum = None

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
            self._leaf(event)
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            if len(self.stack) >= MAX_NESTING:
                raise ExpressionError(f"yaml(): nested deeper than {MAX_NESTING} levels")
            self._grow(1)
            container: list[Datum] | dict[str, Datum] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
            self.stack.append(_Open(container, event.anchor, self.size))
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            done = self.stack.pop()
            _merge(done)
            if done.anchor:
                self.anchors[done.anchor] = (done.container, self.size - done.before + 1)
            self._place(done.container)

    def _leaf(self, event: yaml.ScalarEvent | yaml.AliasEvent) -> None:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise ExpressionError(f"yaml(): unknown anchor {event.anchor}")
            value, weight = self.anchors[event.anchor]
            self._grow(weight)
        else:
            value = _scalar(event)
            self._grow(1)
            if event.anchor:
                self.anchors[event.anchor] = (value, 1)
        self._place(value)

    def _grow(self, weight: int) -> None:
        self.size += weight
        if self.size > MAX_ITEMS:
            raise ExpressionError(f"yaml(): more than {MAX_ITEMS} items")
        self.budget.spend(weight)

    def _place(self, value: Datum) -> None:
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if isinstance(top.container, list):
            top.container.append(value)
        elif top.key is None:
            if isinstance(value, (list, dict)):
                raise ExpressionError("yaml(): a map's key must be a text or a number")
            top.key = "null" if value is None else scalar_text(value)
        else:
            _entry(top, top.key, value)
            top.key = None


def _entry(top: _Open, key: str, value: Datum) -> None:
    assert isinstance(top.container, dict)
    if key == "<<" and isinstance(value, (dict, list)):
        sources = value if isinstance(value, list) else [value]
        top.merged.extend(source for source in sources if isinstance(source, dict))
        return
    if key in top.own:
        raise ExpressionError(f"yaml(): the key {key} stands twice")
    top.own.add(key)
    top.container[key] = value


def _merge(done: _Open) -> None:
    if isinstance(done.container, dict):
        for source in done.merged:
            for key, value in source.items():
                done.container.setdefault(key, value)


def _scalar(event: yaml.ScalarEvent) -> Datum:
    tag = (event.tag or "").removeprefix(_TAG)
    if tag in ("int", "float", "bool", "null"):
        return plain_value(event.value)
    if event.implicit[0] and not tag:
        return plain_value(event.value)
    return str(event.value)


def read_yaml(text: str, budget: Budget) -> Datum:
    """The value of the first document; JSON null when there is none. Raises ``ExpressionError``."""
    reading = _Reading(budget)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentEndEvent):
                break
            reading.take(event)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark is not None else ""
        raise ExpressionError(f"yaml(): {problem}{place}") from None
    return reading.root


class _Emitter(yaml.SafeDumper):
    """Indents lists below their key, and what stands in a list by the width of its dash."""

    def check_empty_document(self) -> bool:
        """An empty text is a document like any other: no ``---`` before it."""
        return False

    def check_simple_key(self) -> bool:
        """An empty key needs no question mark."""
        empty = isinstance(self.event, yaml.ScalarEvent) and not self.event.value
        return empty or bool(super().check_simple_key())

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        if self.indent is None:
            super().increase_indent(flow, False)
            return
        self.indents.append(self.indent)
        if self.states[-1] == self.expect_block_sequence_item:
            self.indent += 2
        else:
            self.indent = self.best_indent * ((self.indent + self.best_indent) // self.best_indent)


def yaml_text(value: Datum) -> str:
    """A value as a YAML document, keys sorted. The value must have been measured."""
    stream = StringIO()
    emitter = _Emitter(stream, indent=4, width=10**9, allow_unicode=True)
    try:
        for event in _document(value):
            emitter.emit(event)
    finally:
        emitter.dispose()
    return stream.getvalue().removesuffix("...\n")


def _document(value: Datum) -> Iterator[yaml.Event]:
    yield yaml.StreamStartEvent()
    yield yaml.DocumentStartEvent(explicit=False)
    waiting: list[Datum | yaml.Event] = [value]
    while waiting:
        one = waiting.pop()
        match one:
            case yaml.Event():
                yield one
            case list():
                yield yaml.SequenceStartEvent(None, None, True, flow_style=not one)
                waiting.append(yaml.SequenceEndEvent())
                waiting.extend(reversed(one))
            case dict():
                yield yaml.MappingStartEvent(None, None, True, flow_style=not one)
                waiting.append(yaml.MappingEndEvent())
                for key in sorted(one, reverse=True):
                    waiting.extend((one[key], _string(key)))
            case Nothing():
                yield yaml.MappingStartEvent(None, None, True, flow_style=True)
                yield yaml.MappingEndEvent()
            case str():
                yield _string(one)
            case _:
                yield _plain(one)
    yield yaml.DocumentEndEvent(explicit=False)
    yield yaml.StreamEndEvent()


def _plain(value: bool | float | int | None) -> yaml.Event:
    text = _special(value) if isinstance(value, float) else scalar_text(value)
    return yaml.ScalarEvent(None, None, (True, True), text, style="")


def _special(value: float) -> str:
    return {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}.get(float_text(value), float_text(value))


def _string(text: str) -> yaml.Event:
    escaped = bool(text) and max(text) > "\uffff"  # pictures and the like are never written as they are
    style = '"' if escaped else "|" if "\n" in text else "" if safe_plain(text) else '"'
    return yaml.ScalarEvent(None, None, (style == "", True), text, style=style)
