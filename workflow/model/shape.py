"""The model seen from outside: for each class, what its fields hold and how their texts are read.

Derived once per class from its annotations. Called by whoever walks any part of a document without knowing it: the
checks, the resolver, lint.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from .node import Node, Reading, alias_of


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is read as ``reading``; numbers and booleans may stand in its stead."""

    reading: Reading


@dataclass(frozen=True, slots=True)
class Part:
    """Another node."""

    model: type[Node]


@dataclass(frozen=True, slots=True)
class Many:
    """A list of the same."""

    item: Shape


@dataclass(frozen=True, slots=True)
class Named:
    """A mapping; ``key`` says how its keys are read, if they are more than names."""

    item: Shape | None
    key: Text | None = None


@dataclass(frozen=True, slots=True)
class Loose:
    """Any structure, in which every text is a template."""


Shape: TypeAlias = Text | Part | Many | Named | Loose


@dataclass(frozen=True, slots=True)
class FieldShape:
    """A field by its name in Python and in documents."""

    name: str
    alias: str
    shape: Shape


@cache
def shapes_of(model: type[Node]) -> Mapping[str, FieldShape]:
    """The fields of a class that hold other nodes or texts to be read, by their names in Python."""
    hints = typing.get_type_hints(model, include_extras=True)
    found = {name: _shape(hints[name]) for name in model.model_fields}
    return {name: FieldShape(name, alias_of(model, name), shape) for name, shape in found.items() if shape}


def _shape(hint: Any) -> Shape | None:
    origin = get_origin(hint)
    if origin is Annotated:
        return _marked(hint)
    arguments = [argument for argument in get_args(hint) if argument is not type(None)]
    if origin in (Union, types.UnionType):
        return next((shape for shape in map(_shape, arguments) if shape), None)
    if origin is tuple or origin is list:
        item = _shape(arguments[0])
        return Many(item) if item else None
    if origin is dict:
        key, item = _shape(arguments[0]), _shape(arguments[1])
        return Named(item, key if isinstance(key, Text) else None) if key or item else None
    if isinstance(hint, type) and issubclass(hint, Node):
        return Part(hint)
    return None


def _marked(hint: Any) -> Shape | None:
    inner, *marks = get_args(hint)
    reading = next((mark for mark in marks if isinstance(mark, Reading)), None)
    if reading is Reading.FORCE:
        return Loose()
    if reading is Reading.KEYS:
        return Named(Text(Reading.TEMPLATE), Text(Reading.TEMPLATE))
    return Text(reading) if reading else _shape(inner)


@dataclass(frozen=True, slots=True)
class Written:
    """A text in a node: where (by the field's name in Python, then as in the data), what, and how it is read."""

    path: tuple[str | int, ...]
    text: str
    reading: Reading
    is_key: bool = False


def each_node(node: Node, seen: Callable[[Node], None]) -> None:
    """Calls ``seen`` for the node and all nodes inside it, outer ones first, in the order of the fields."""
    seen(node)
    shapes = shapes_of(type(node))
    for name in node.model_fields_set:
        field = shapes.get(name)
        if field is not None:
            _each(getattr(node, name), field.shape, seen)


def texts_of(node: Node) -> Iterator[Written]:
    """The texts of a node that are read as templates or expressions; those of nodes inside it are theirs."""
    shapes = shapes_of(type(node))
    for name in node.model_fields_set:
        field = shapes.get(name)
        if field is not None:
            yield from _texts((name,), getattr(node, name), field.shape)


def _each(value: Any, shape: Shape | None, seen: Callable[[Node], None]) -> None:
    match shape:
        case Part() if isinstance(value, Node):
            each_node(value, seen)
        case Many(Part() | Many() | Named() as item) if value:
            for one in value:
                _each(one, item, seen)
        case Named(Part() | Many() | Named() as item) if value:
            for one in value.values():
                _each(one, item, seen)
        case _:
            return


def _texts(path: tuple[str | int, ...], value: Any, shape: Shape | None) -> Iterator[Written]:
    match shape:
        case Text(Reading.LIST) if isinstance(value, list):
            yield from _texts(path, value, Loose())
        case Text(reading) if isinstance(value, str):
            yield Written(path, value, reading)
        case Many(item) if value:
            for index, one in enumerate(value):
                yield from _texts((*path, index), one, item)
        case Named(item, key) if value:
            for name, one in value.items():
                if key is not None and "{{" in name:
                    yield Written((*path, name), name, key.reading, is_key=True)
                yield from _texts((*path, name), one, item)
        case Loose() if isinstance(value, str):
            yield Written(path, value, Reading.TEMPLATE)
        case Loose() if isinstance(value, dict):
            for name, one in value.items():
                yield from _texts((*path, name), one, shape)
        case Loose() if isinstance(value, list):
            for index, one in enumerate(value):
                yield from _texts((*path, index), one, shape)
        case _:
            return


__all__ = [
    "FieldShape",
    "Loose",
    "Many",
    "Named",
    "Part",
    "Shape",
    "Text",
    "Written",
    "each_node",
    "shapes_of",
    "texts_of",
]
