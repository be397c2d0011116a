"""An unfinished tree as a text that can be read again.

Called by ``program``. Two spellings: ``program_text`` reads back as the very same tree; ``reference_text`` is what the
reference engine prints, which drops parentheses that matter (``a&&(b||c)`` becomes ``a&&b||c``) and serves for
comparing with it only. Apart from such places the two are equal.
"""

from __future__ import annotations

import math
import re
from typing import Final

from workflow.expressions.data import Datum, Nothing
from workflow.expressions.encoding import json_text, quoted
from workflow.expressions.errors import NoText
from workflow.expressions.kinds import Kind, kind_of
from workflow.expressions.syntax import (
    RANKS,
    Argument,
    Binary,
    Call,
    Choice,
    Literal,
    Name,
    Node,
    Not,
    Operator,
    Property,
)
from workflow.expressions.values import literals

_BRACES: Final = re.compile(r"\{\{?")
_PLAIN_INTEGER: Final = 1_000_000
_WORDS: Final = frozenset({"true", "false", "null"})


def program_text(node: Node) -> str:
    """The tree as an expression that reads back as the same tree."""
    return _Faithful().text(node)


def reference_text(node: Node) -> str:
    """The tree as the reference engine prints it. Reading that back may give another tree."""
    return _Reference().text(node)


def escaped(text: str) -> str:
    """A text as a template that renders to exactly it, also when other template texts follow."""
    return _BRACES.sub(lambda found: '{{"' + found[0] + '"}}', text)


class _Reference:
    """The reference's spelling."""

    def text(self, node: Node) -> str:
        match node:
            case Literal(value=value):
                return self.literal(value)
            case Name(path=path):
                return ".".join(path)
            case Call(name=name, arguments=arguments):
                return f"{name}({','.join([self.argument(argument) for argument in arguments])})"
            case Property(target=target, key=key):
                return f"{self.target(target)}.{key}"
            case Not(operand=operand):
                return f"!{self.safe(operand)}"
            case Choice(condition=condition, truthy=truthy, falsy=falsy):
                return f"{self.text(condition)} ? {self.branch(truthy)} : {self.branch(falsy)}"
            case Binary(operator=operator, left=left, right=right):
                return self.operand(left, operator) + operator.value + self.right(right, operator)

    def safe(self, node: Node) -> str:
        """The node where an operator stands next to it."""
        return f"({self.text(node)})" if isinstance(node, (Binary, Choice)) else self.text(node)

    def operand(self, node: Node, operator: Operator) -> str:
        if not isinstance(node, Binary):
            return self.safe(node)
        alike = node.operator is not Operator.ADD or kind_of(node) is kind_of(node.left)
        return self.text(node) if RANKS[node.operator] >= RANKS[operator] and alike else self.safe(node)

    def right(self, node: Node, operator: Operator) -> str:
        return self.operand(node, operator)

    def branch(self, node: Node) -> str:
        return self.text(node)

    def target(self, node: Node) -> str:
        return self.safe(node)

    def literal(self, value: Datum) -> str:
        if value is None or isinstance(value, Nothing):
            return "null"
        try:
            return json_text(value)
        except NoText:
            return "null"

    def argument(self, argument: Argument) -> str:
        return self.text(argument.node) + ("..." if argument.spread else "")


class _Faithful(_Reference):
    """The same with the parentheses and calls that reading it back needs."""

    def text(self, node: Node) -> str:
        return _wildcard_of_a_word(node) or super().text(node)

    def safe(self, node: Node) -> str:
        return f"({self.text(node)})" if _is_negative(node) else super().safe(node)

    def right(self, node: Node, operator: Operator) -> str:
        if isinstance(node, Binary) and RANKS[node.operator] == RANKS[operator]:
            return self.safe(node)
        return self.operand(node, operator)

    def branch(self, node: Node) -> str:
        loose = isinstance(node, Choice) or (isinstance(node, Binary) and RANKS[node.operator] == 0)
        return f"({self.text(node)})" if loose or _is_negative(node) else self.text(node)

    def target(self, node: Node) -> str:
        return f"({self.text(node)})" if isinstance(node, Name) else self.closed(node)

    def closed(self, node: Node) -> str:
        """The node where a dot follows it."""
        plain = isinstance(node.value, (str, list, dict)) if isinstance(node, Literal) else False
        return self.text(node) if plain or isinstance(node, (Name, Call, Property)) else f"({self.text(node)})"

    def argument(self, argument: Argument) -> str:
        if argument.spread:
            # A number or a word right before the dots would be read together with them.
            return f"{self.closed(argument.node)}..."
        return self.text(argument.node)

    def literal(self, value: Datum) -> str:
        match value:
            case Nothing():
                return "null"
            case None:
                return 'json("null")'
            case bool() | str():
                return super().literal(value)
            case int():
                return str(value) if abs(value) < _PLAIN_INTEGER else f"int({value})"
            case float():
                return super().literal(value) if _is_ordinary(value) else f"float({quoted(_spelled(value))})"
            case list() if not all(map(_is_ordinary, literals(value))):
                return f"list({','.join([self.literal(item) for item in value])})"
            case _:
                return super().literal(value)


def _wildcard_of_a_word(node: Node) -> str:
    """``true.*.b`` as it was written: alone, the name in it would read as the value. Empty for any other node."""
    match node:
        case Call(name="_wc", arguments=(Argument(node=target), Argument(node=Literal(value=str() as body)))):
            inner = ".".join(target.path) if isinstance(target, Name) else _wildcard_of_a_word(target)
            word = inner.partition(".")[0] if isinstance(target, Call) else inner
            return f"{inner}.*{body.removeprefix('_.value')}" if word in _WORDS else ""
        case _:
            return ""


def _is_negative(node: Node) -> bool:
    if not isinstance(node, Literal) or isinstance(node.value, bool):
        return False
    return isinstance(node.value, (int, float)) and node.value < 0


def _is_ordinary(value: Datum) -> bool:
    """Whether JSON's form of the value, inside a list, reads back as the same."""
    match value:
        case Nothing():
            return False
        case bool():
            return True
        case int():
            return abs(value) < _PLAIN_INTEGER
        case float():
            return math.isfinite(value) and (value != 0 or math.copysign(1, value) > 0)
        case _:
            return True


def _spelled(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "-0" if value == 0 else "+Inf" if value > 0 else "-Inf"


def reads_as_text(node: Node) -> bool:
    """Whether the node is an addition of texts, which a template writes as its operands side by side."""
    return isinstance(node, Binary) and node.operator is Operator.ADD and kind_of(node) is Kind.STRING
