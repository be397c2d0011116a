"""From tokens to a tree, with the measured precedence of the reference engine.

Called by ``program``. One rank for ``&&`` and ``||``, a unary minus that takes the whole rest, everything
left-associative. Where the conventional reading would give another tree, a warning is noted on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from workflow.expressions.data import NONE
from workflow.expressions.errors import ExpressionError
from workflow.expressions.limits import MAX_HEIGHT, MAX_NESTING, MAX_SOURCE
from workflow.expressions.syntax import (
    RANKS,
    WILDCARD_MAP,
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
    height,
)
from workflow.expressions.tokens import Sort, Token, operator, tokens_from

_LOOSEST: Final = -1
_BRANCH: Final = 0
_TIGHTEST: Final = 99
_REMEMBERED: Final = 1024
_PRODUCT: Final = RANKS[Operator.MULTIPLY]
_LOGICAL: Final = (Operator.AND, Operator.OR)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A tree, and where it may surprise: (offset, message) pairs in the order of their places."""

    node: Node
    warnings: tuple[tuple[int, str], ...] = ()


def parsed(tokens: list[Token], end: int) -> Parsed:
    """The tree that all the tokens make; none at all make none. ``end`` is the place after the last of them.

    Raises ``ExpressionError``, placed.
    """
    if not tokens:
        return Parsed(Literal(NONE, end))
    reading = _Reading(tokens, end)
    node = reading.expression(_LOOSEST)
    extra = reading.peek()
    if extra is not None:
        raise ExpressionError(f"unexpected {_said(extra)} after the end of the expression", offset=extra.offset)
    if height(node) > MAX_HEIGHT:
        raise ExpressionError(
            f"more than {MAX_HEIGHT} operations in a row or inside one another", offset=tokens[0].offset
        )
    return Parsed(node, tuple(sorted(reading.warnings)))


@dataclass(slots=True)
class _Reading:
    """A walk over the tokens."""

    tokens: list[Token]
    end: int
    index: int = 0
    depth: int = 0
    grouped: dict[int, Node] = field(default_factory=dict)
    """Nodes that stand in parentheses, by id; kept alive here so that ids stay theirs."""
    warnings: list[tuple[int, str]] = field(default_factory=list)

    def peek(self) -> Token | None:
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    def next(self, wanted: str) -> Token:
        token = self.peek()
        if token is None:
            raise ExpressionError(f"the expression ends where {wanted} is expected", offset=self.end)
        self.index += 1
        return token

    def expect(self, sort: Sort, wanted: str, hint: str = "") -> None:
        token = self.next(wanted)
        if token.sort is not sort:
            raise ExpressionError(f"expected {wanted}, found {_said(token)}{hint}", offset=token.offset)

    def expression(self, rank: int) -> Node:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise ExpressionError(f"nested deeper than {MAX_NESTING} levels", offset=self.tokens[self.index - 1].offset)
        node = self._segment()
        while (token := self.peek()) is not None:
            if token.sort is Sort.QUESTION and rank < _BRANCH:
                node = self._choice(node)
            elif token.sort is Sort.OPERATOR and rank < RANKS[operator(token)]:
                node = self._binary(node)
            elif token.sort is Sort.PROPERTY:
                self.index += 1
                node = Property(node, token.text, token.offset)
            else:
                break
        self.depth -= 1
        return node

    def _binary(self, left: Node) -> Node:
        token = self.next("an operator")
        op = operator(token)
        self._warn_binary(op, left, token.offset)
        return Binary(op, left, self.expression(RANKS[op]), token.offset)

    def _choice(self, condition: Node) -> Node:
        mark = self.next("'?'")
        if isinstance(condition, Choice) and not self._is_grouped(condition):
            self._warn_group(mark.offset, "a ? b : c ? d : e", "(a ? b : c) ? d : e")
        truthy = self.expression(_BRANCH)
        hint = ""
        following = self.peek()
        if following is not None and following.text in ("&&", "||", "?"):
            hint = ": a branch of '? :' takes '&&', '||' and '?' only in parentheses"
        self.expect(Sort.COLON, "':'", hint)
        return Choice(condition, truthy, self.expression(_BRANCH), mark.offset)

    def _segment(self) -> Node:
        token = self.next("a value")
        match token.sort:
            case Sort.OPEN:
                node = self.expression(_LOOSEST)
                self.expect(Sort.CLOSE, "')'")
                self.grouped[id(node)] = node
                return node
            case Sort.LITERAL:
                return Literal(token.value, token.offset)
            case Sort.NOT:
                return Not(self.expression(_TIGHTEST), token.offset)
            case Sort.NAME:
                return self._name(token)
            case Sort.OPERATOR if token.text == "-":
                return self._minus(token)
        raise ExpressionError(f"expected a value, found {_said(token)}", offset=token.offset)

    def _minus(self, token: Token) -> Node:
        self.depth += 1  # it is written out in parentheses
        operand = self.expression(_LOOSEST)
        self.depth -= 1
        loose = isinstance(operand, Choice) or (isinstance(operand, Binary) and RANKS[operand.operator] < _PRODUCT)
        if loose and not self._is_grouped(operand):
            self.warnings.append((token.offset, "this minus negates everything to its right: write parentheses"))
        return Binary(Operator.SUBTRACT, Literal(0.0, token.offset), operand, token.offset)

    def _name(self, token: Token) -> Node:
        following = self.peek()
        if following is None or following.sort is not Sort.OPEN:
            return accessor(token.text, token.offset)
        self.index += 1
        arguments: list[Argument] = []
        while (token_after := self.peek()) is None or token_after.sort is not Sort.CLOSE:
            if arguments:
                self.expect(Sort.COMMA, "',' or ')'")
            node = self.expression(_LOOSEST)
            spread = (mark := self.peek()) is not None and mark.sort is Sort.SPREAD
            self.index += spread
            arguments.append(Argument(node, spread))
        self.index += 1
        return Call(token.text, tuple(arguments), token.offset)

    def _is_grouped(self, node: Node) -> bool:
        return id(node) in self.grouped

    def _warn_group(self, offset: int, written: str, read_as: str) -> None:
        self.warnings.append((offset, f"'{written}' reads as '{read_as}': write the parentheses you mean"))

    def _warn_binary(self, op: Operator, left: Node, offset: int) -> None:
        if self._is_grouped(left):
            return
        if op in _LOGICAL and isinstance(left, Choice):
            self._warn_group(offset, f"a ? b : c {op.value} d", f"(a ? b : c) {op.value} d")
        elif op is Operator.AND and isinstance(left, Binary) and left.operator is Operator.OR:
            self._warn_group(offset, "a || b && c", "(a || b) && c")
        elif op is Operator.POWER and isinstance(left, Binary) and left.operator is Operator.POWER:
            self._warn_group(offset, "a ** b ** c", "(a ** b) ** c")


@lru_cache(maxsize=1024)
def _read_short(text: str) -> Parsed:
    return _read(text)


def read(text: str) -> Parsed:
    """The tree of a bare expression. Short ones are remembered. Raises ``ExpressionError``, placed."""
    return _read_short(text) if len(text) <= _REMEMBERED else _read(text)


def _read(text: str) -> Parsed:
    if len(text) > MAX_SOURCE:
        raise ExpressionError(f"longer than {MAX_SOURCE} characters", offset=0)
    tokens, end = tokens_from(text)
    if end < len(text):
        raise ExpressionError(f"unexpected character {text[end]!r}", offset=end)
    return parsed(tokens, end)


def accessor(written: str, offset: int) -> Node:
    """The node of a dotted accessor. Every ``.*`` becomes a map over a list: ``a.*.b`` is ``_wc(a,"_.value.b")``."""
    head, *rest = written.split(".*")
    node: Node = Name(tuple(head.split(".")), offset)
    for tail in rest:
        node = Call(WILDCARD_MAP, (Argument(node), Argument(Literal(f"_.value{tail}", offset))), offset)
    return node


def _said(token: Token) -> str:
    return f"'{token.text if len(token.text) <= 30 else token.text[:27] + '...'}'"
