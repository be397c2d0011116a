"""What an expression is once it is read: a tree of frozen nodes.

Made by ``parser``, rewritten by ``evaluation``, written out by ``printing``. Knows nothing of scopes or functions.
Every node knows the ``offset`` of the token that made it, for messages; offsets do not count in comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from workflow.expressions.data import Datum


class Operator(Enum):
    """A binary operator, as written."""

    EQUAL = "=="
    EQUAL_SHORT = "="
    UNEQUAL = "!="
    UNEQUAL_ANGLES = "<>"
    GREATER = ">"
    GREATER_EQUAL = ">="
    LESS = "<"
    LESS_EQUAL = "<="
    AND = "&&"
    OR = "||"
    ADD = "+"
    SUBTRACT = "-"
    MODULO = "%"
    DIVIDE = "/"
    MULTIPLY = "*"
    POWER = "**"


RANKS: Final = {
    **dict.fromkeys((Operator.AND, Operator.OR), 0),
    **dict.fromkeys((Operator.EQUAL, Operator.EQUAL_SHORT, Operator.UNEQUAL, Operator.UNEQUAL_ANGLES), 1),
    **dict.fromkeys((Operator.GREATER, Operator.GREATER_EQUAL, Operator.LESS, Operator.LESS_EQUAL), 1),
    **dict.fromkeys((Operator.ADD, Operator.SUBTRACT), 2),
    **dict.fromkeys((Operator.MULTIPLY, Operator.DIVIDE, Operator.MODULO), 3),
    Operator.POWER: 4,
}
"""How tightly operators bind; a greater rank binds tighter. ``&&`` and ``||`` share one, unlike elsewhere."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that is known."""

    value: Datum
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A dotted accessor. Blanks around dots are part of the segments, so such a name finds nothing (as measured)."""

    path: tuple[str, ...]
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Property:
    """``target.key`` where the target is not a plain name."""

    target: Node
    key: str
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call; ``spread`` when followed by ``...``."""

    node: Node
    spread: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """``name(arguments)``."""

    name: str
    arguments: tuple[Argument, ...]
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """``!operand``."""

    operand: Node
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """``left operator right``. A unary minus is ``0 - operand``."""

    operator: Operator
    left: Node
    right: Node
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """``condition ? truthy : falsy``."""

    condition: Node
    truthy: Node
    falsy: Node
    offset: int = field(default=0, compare=False)


Node: TypeAlias = Literal | Name | Property | Call | Not | Binary | Choice

WILDCARD_MAP: Final = "_wc"
"""The internal function a wildcard accessor (``a.*.b``) is compiled to."""


_LEAVES: Final = (Literal, Name)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in written order."""
    match node:
        case Literal() | Name():
            return ()
        case Property(target=target):
            return (target,)
        case Call(arguments=arguments):
            return tuple(argument.node for argument in arguments)
        case Not(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case Choice(condition=condition, truthy=truthy, falsy=falsy):
            return (condition, truthy, falsy)


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        if type(one) not in _LEAVES:
            waiting.extend(children(one))


def height(node: Node) -> int:
    """The number of levels of a tree."""
    levels, level = 1, [node]
    while level := [below for one in level if type(one) not in _LEAVES for below in children(one)]:
        levels += 1
    return levels
