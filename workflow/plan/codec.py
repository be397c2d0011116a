"""Frozen dataclasses to JSON data and back, by their types alone. Used by encode.

Types are looked at once: each gets a function of its own, kept for good. A mapping of a union bears the class's name
under ``kind``. Fields that have their default are left out.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, NewType, TypeAlias, Union, cast, get_args, get_origin, get_type_hints

from workflow.plan.nodes import Json

TAG = "kind"
"""The key that says which dataclass of a union a mapping is."""

Encoder: TypeAlias = Callable[[Any], Json]
Decoder: TypeAlias = Callable[[Any, str], Any]
"""Takes the data and its path, for errors."""


class BadPlan(ValueError):
    """Data that was to be a plan is none. The message says where and why."""


def _same(value: Any) -> Any:
    return value


@cache
def encoder(hint: Any) -> Encoder:
    """What turns a value of this type into JSON data."""
    hint = _plain(hint)
    origin, args = get_origin(hint), get_args(hint)
    if _is_json(hint) or hint in {str, int, bool, float}:
        return _same
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value: cast(Json, value.value)
    if is_dataclass(hint):
        return _dataclass_encoder(cast(type, hint))
    if origin in {Union, types.UnionType}:
        return _union_encoder(args)
    if origin is tuple and args[-1] is Ellipsis:
        item = encoder(args[0])
        return lambda value: [item(each) for each in value]
    if origin is tuple:
        items = [encoder(arg) for arg in args]
        return lambda value: [encode_item(each) for encode_item, each in zip(items, value, strict=True)]
    if origin is not None and issubclass(origin, Mapping):
        inner = encoder(args[1])
        return lambda value: {key: inner(each) for key, each in value.items()}
    raise TypeError(f"plans cannot hold {hint!r}")


def _dataclass_encoder(kind: type) -> Encoder:
    made: list[tuple[str, Encoder, Any]] | None = None

    def encode_fields(value: Any) -> Json:
        nonlocal made
        if made is None:  # later than the type itself, which may contain itself
            hints = get_type_hints(kind)
            made = [(each.name, encoder(hints[each.name]), _default(each)) for each in fields(kind)]
        data: dict[str, Json] = {}
        for name, encode_field, default in made:
            item = getattr(value, name)
            if default is MISSING or item != default:
                data[name] = encode_field(item)
        return data

    return encode_fields


def _union_encoder(args: tuple[Any, ...]) -> Encoder:
    some = [arg for arg in args if arg is not type(None)]
    if len(some) == 1:
        only = encoder(some[0])
        return lambda value: None if value is None else only(value)
    encoders = {arg: encoder(arg) for arg in some}

    def encode_one(value: Any) -> Json:
        kind = type(value)
        return {TAG: kind.__name__, **cast("dict[str, Json]", encoders[kind](value))}

    return encode_one


@cache
def decoder(hint: Any) -> Decoder:
    """What turns JSON data into a value of this type; raises ``BadPlan`` where it is none."""
    hint = _plain(hint)
    origin, args = get_origin(hint), get_args(hint)
    if _is_json(hint):
        return lambda value, path: value
    if hint in {str, int, bool, float}:
        return _scalar_decoder(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_decoder(hint)
    if is_dataclass(hint):
        return _dataclass_decoder(cast(type, hint))
    if origin in {Union, types.UnionType}:
        return _union_decoder(args)
    if origin is tuple:
        return _tuple_decoder(args)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping_decoder(args[1])
    raise TypeError(f"plans cannot hold {hint!r}")


def _scalar_decoder(kind: type) -> Decoder:
    def decode_scalar(value: Any, path: str) -> Any:
        if type(value) is not kind:
            raise BadPlan(f"{path} must be {_said(kind)}, not {_said(type(value))}")
        return value

    return decode_scalar


def _enum_decoder(kind: type[Enum]) -> Decoder:
    def decode_enum(value: Any, path: str) -> Any:
        try:
            return kind(value)
        except ValueError:
            raise BadPlan(f"{path} must be one of {', '.join(str(each.value) for each in kind)}") from None

    return decode_enum


def _tuple_decoder(args: tuple[Any, ...]) -> Decoder:
    if args[-1] is Ellipsis:
        item = decoder(args[0])
        return lambda value, path: tuple(item(each, f"{path}[{i}]") for i, each in enumerate(_list(value, path)))
    items = [decoder(arg) for arg in args]

    def decode_fixed(value: Any, path: str) -> Any:
        if len(_list(value, path)) != len(items):
            raise BadPlan(f"{path} must have {len(items)} items")
        return tuple(
            decode_item(each, f"{path}[{i}]") for i, (decode_item, each) in enumerate(zip(items, value, strict=True))
        )

    return decode_fixed


def _mapping_decoder(inner: Any) -> Decoder:
    item = decoder(inner)
    return lambda value, path: {key: item(each, f"{path}.{key}") for key, each in _dict(value, path).items()}


def _dataclass_decoder(kind: type) -> Decoder:
    made: dict[str, Decoder] | None = None
    needed: frozenset[str] = frozenset()

    def decode_fields(value: Any, path: str) -> Any:
        nonlocal made, needed
        if made is None:
            hints = get_type_hints(kind)
            made = {each.name: decoder(hints[each.name]) for each in fields(kind)}
            needed = frozenset(each.name for each in fields(kind) if _default(each) is MISSING)
        data = _dict(value, path)
        for name in data:
            if name not in made and name != TAG:
                raise BadPlan(f"{path} has an unknown field {name!r}; a newer program made this plan")
        if not needed <= data.keys():
            raise BadPlan(f"{path} lacks {', '.join(sorted(needed - data.keys()))}")
        return kind(**{name: made[name](item, f"{path}.{name}") for name, item in data.items() if name in made})

    return decode_fields


def _union_decoder(args: tuple[Any, ...]) -> Decoder:
    some = [arg for arg in args if arg is not type(None)]
    if len(some) == 1:
        only = decoder(some[0])
        return lambda value, path: None if value is None else only(value, path)
    decoders = {arg.__name__: decoder(arg) for arg in some}

    def decode_one(value: Any, path: str) -> Any:
        tag = _dict(value, path).get(TAG)
        decoder = decoders.get(tag) if isinstance(tag, str) else None
        if decoder is None:
            raise BadPlan(f"{path} is of an unknown kind {tag!r}; a newer program made this plan")
        return decoder(value, path)

    return decode_one


def _plain(hint: Any) -> Any:
    return _plain(hint.__supertype__) if isinstance(hint, NewType) else hint


def _is_json(hint: Any) -> bool:
    return get_origin(hint) is Union and any(get_origin(arg) is list for arg in get_args(hint))


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def _list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadPlan(f"{path} must be a list, not {_said(type(value))}")
    return value


def _dict(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadPlan(f"{path} must be a mapping, not {_said(type(value))}")
    return value


def _said(kind: type) -> str:
    return {str: "a text", int: "a whole number", bool: "true or false", type(None): "null"}.get(kind, kind.__name__)
