"""What an expression can see: names and functions, in layers.

Made by the callers of ``evaluate`` and ``render``; asked by ``evaluation``. A scope is frozen; threads may share it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, TypeAlias

from workflow.expressions.data import NONE, Datum, Value
from workflow.expressions.numbers import integer_of, parsed_float
from workflow.expressions.values import admitted

Function: TypeAlias = Callable[[Sequence[Value]], Value]
"""A function brought by the caller. Gets values only, spread lists already expanded. Raises ``ExpressionError`` for
arguments it does not take. ``None`` as its result is none (an empty text)."""


class Lookup(Protocol):
    """Names that cannot be listed beforehand, such as ``env``."""

    def __call__(self, path: tuple[str, ...]) -> tuple[bool, Value]:
        """Whether this scope knows the dotted accessor ``path`` (``("env", "HOME")``), and its value."""


@dataclass(frozen=True, slots=True)
class _Layer:
    values: Mapping[str, Datum]
    functions: Mapping[str, Function]
    lookup: Lookup | None

    def direct(self, path: tuple[str, ...]) -> tuple[bool, Datum]:
        if path[0] in self.values:
            return _reached(self.values[path[0]], path[1:])
        if self.lookup is not None:
            known, value = self.lookup(path)
            return (True, admitted(value)) if known else (False, None)
        return False, None

    def derived(self, path: tuple[str, ...]) -> tuple[bool, Datum]:
        """Through the longest beginning of the path that the lookup knows."""
        if self.lookup is None or path[0] in self.values:
            return False, None
        for length in range(len(path) - 1, 0, -1):
            known, value = self.lookup(path[:length])
            if known:
                return _reached(admitted(value), path[length:])
        return False, None

    def function(self, name: str) -> Function | None:
        return self.functions.get(name)


@dataclass(frozen=True, slots=True)
class _Item:
    value: Datum
    index: int

    def direct(self, path: tuple[str, ...]) -> tuple[bool, Datum]:
        if path[0] != "_" or len(path) < 2:
            return False, None
        if path[1] == "value":
            return _reached(self.value, path[2:])
        return (True, self.index) if path[1:] in (("index",), ("key",)) else (False, None)

    def derived(self, path: tuple[str, ...]) -> tuple[bool, Datum]:
        return False, None

    def function(self, name: str) -> Function | None:
        return None


@dataclass(frozen=True, slots=True)
class Scope:
    """Names and functions; the first layer that knows a name gives it.

    A name that leads into a known map and misses there is none, unless a further layer knows it. One that leads
    into anything else (past a list's end, below a text) is unknown.
    """

    layers: tuple[_Layer | _Item, ...]

    def over(self, other: Scope) -> Scope:
        """A scope that asks this one first, then ``other``."""
        return Scope(self.layers + other.layers)

    def find(self, path: tuple[str, ...]) -> tuple[bool, Datum]:
        """Whether the accessor is known, and its value."""
        missing = False
        for layer in self.layers:
            known, value = layer.direct(path)
            if known and value is not NONE:
                return True, value
            missing = missing or known
        if len(path) > 1:
            for layer in self.layers:
                known, value = layer.derived(path)
                if known and value is not NONE:
                    return True, value
                missing = missing or known
        return missing, NONE

    def function(self, name: str) -> Function | None:
        """The function of that name."""
        for layer in self.layers:
            found = layer.function(name)
            if found is not None:
                return found
        return None


def scope(
    values: Mapping[str, object],
    *,
    functions: Mapping[str, Function] = MappingProxyType({}),
    lookup: Lookup | None = None,
) -> Scope:
    """A scope of one layer. Nested mappings are namespaces.

    ``lookup`` is asked for names whose first part is not in ``values``. Copies the values.
    Raises ``TypeError`` when one of them is not of the language's kinds.
    """
    owned = {name: admitted(value) for name, value in values.items()}
    return Scope((_Layer(MappingProxyType(owned), MappingProxyType(dict(functions)), lookup),))


EMPTY = scope({})


def item_scope(value: Datum, index: int) -> Scope:
    """What the body of map() and filter() sees: ``_.value``, ``_.index`` and ``_.key``, but not ``_`` itself."""
    return Scope((_Item(value, index),))


def _reached(value: Datum, path: tuple[str, ...]) -> tuple[bool, Datum]:
    """Follows ``path`` into ``value``: a map's missing key is none, anything else that fails is unknown."""
    last = len(path) - 1
    for position, key in enumerate(path):
        if isinstance(value, dict):
            if key not in value:
                return position == last, NONE
            value = value[key]
        elif isinstance(value, (list, str)):
            number = parsed_float(key)
            if number is None or not 0 <= (index := integer_of(number)) < len(value):
                return False, None
            value = value[index]
        else:
            return False, None
    return True, value
