"""The model seen from outside: for each class, what its fields hold and how their texts are read.

Derived once per class from its annotations. Called by whoever walks any part of a document without knowing it: the
checks, the resolver, lint.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
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


def each_node(node: Node, seen: Callable[[Node], None]) -> None:
    """Calls ``seen`` for the node and all nodes inside it, outer ones first, in the order of the fields."""
    seen(node)
    for name, field in shapes_of(type(node)).items():
        value = getattr(node, name)
        if value:
            _each(value, field.shape, seen)


def _each(value: Any, shape: Shape | None, seen: Callable[[Node], None]) -> None:
    match shape:
        case Part() if isinstance(value, Node):
            each_node(value, seen)
        case Many(item):
            for one in value:
                _each(one, item, seen)
        case Named(item):
            for one in value.values():
                _each(one, item, seen)
        case _:
            return


__all__ = ["FieldShape", "Loose", "Many", "Named", "Part", "Shape", "Text", "each_node", "shapes_of"]
