"""What kind of value an unfinished expression will have, as far as the reference engine says so beforehand.

Asked by ``evaluation`` (a cast of what already has the kind falls away, a known yes/no cuts a dead path), ``template``
and ``printing``.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from workflow.expressions.data import Datum
from workflow.expressions.syntax import Binary, Call, Choice, Literal, Name, Node, Not, Operator, Property


class Kind(Enum):
    """A kind known beforehand."""

    BOOL = auto()
    STRING = auto()
    FLOAT = auto()
    INTEGER = auto()
    UNKNOWN = auto()


RETURNS: Final = {
    **dict.fromkeys(("string", "join", "tojson", "toyaml", "shellquote", "trim"), Kind.STRING),
    **dict.fromkeys(("relpath", "abspath", "makepath", "date"), Kind.STRING),
    **dict.fromkeys(("int", "len", "floor", "ceil", "round"), Kind.INTEGER),
    "bool": Kind.BOOL,
    "float": Kind.FLOAT,
}
"""The kinds that functions of the standard library always return."""

_NUMERIC: Final = (Operator.POWER, Operator.MODULO, Operator.SUBTRACT, Operator.MULTIPLY, Operator.DIVIDE)


def kind_of(node: Node) -> Kind:
    """The kind of an expression's value, when it is known without evaluating it."""
    match node:
        case Literal(value=value):
            return _kind_of_value(value)
        case Name() | Property():
            return Kind.UNKNOWN
        case Call(name=name):
            return RETURNS.get(name, Kind.UNKNOWN)
        case Not():
            return Kind.BOOL
        case Choice(truthy=truthy, falsy=falsy):
            return _common(truthy, falsy)
        case Binary(operator=Operator.AND | Operator.OR, left=left, right=right):
            return _common(left, right)
        case Binary(operator=Operator.ADD, left=left, right=right):
            return Kind.STRING if Kind.STRING in (kind_of(left), kind_of(right)) else Kind.FLOAT
        case Binary(operator=operator):
            return Kind.FLOAT if operator in _NUMERIC else Kind.BOOL


def _common(one: Node, other: Node) -> Kind:
    kind = kind_of(one)
    return kind if kind is kind_of(other) else Kind.UNKNOWN


def _kind_of_value(value: Datum) -> Kind:
    match value:
        case bool():
            return Kind.BOOL
        case int():
            return Kind.INTEGER
        case float():
            return Kind.FLOAT
        case str():
            return Kind.STRING
        case _:
            return Kind.UNKNOWN
