"""The texts of a document, resolved as far as the parameters and the execution's own facts allow.

Called by ``filling`` for every text, and by ``configuration`` for defaults. A parameter is either a value, or an
expression that stands in for it (another document's text that is not known yet, or a reference to a secret). The
results are templates and expressions again: what came from a value is escaped, so it can never be read as one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from workflow.expressions import (
    Expr,
    ExpressionError,
    Resolved,
    Scope,
    Template,
    evaluate,
    names,
    parse,
    parse_template,
    render,
    scope,
)
from workflow.expressions.printing import program_text
from workflow.expressions.syntax import WILDCARD_MAP, Argument, Binary, Call, Choice, Literal, Name, Node, Not, Property

from .parameters import Value

Path: TypeAlias = tuple[str, ...]

_PURE: Final = re.compile(r"\s*\{\{(.*)\}\}\s*", re.DOTALL)
_NEEDLESS: Final = re.compile(r'\{\{"\{"\}\}(?!\{)')
_WITH_BODY: Final = frozenset({"map", "filter", "eval", WILDCARD_MAP})
_ROUNDS: Final = 8  # a stand-in may bring names that have stand-ins only through a body of map(): few rounds suffice


@dataclass(frozen=True, slots=True)
class Known:
    """What the texts of one document may use: parameters known and standing in, and further names."""

    values: Mapping[str, Value] = field(default_factory=dict)
    stand_ins: Mapping[str, Node] = field(default_factory=dict)
    further: Scope = field(default_factory=lambda: scope({}))

    def seen(self) -> Scope:
        """The scope for the expression engine."""
        values = self.values

        def lookup(path: Path) -> tuple[bool, Value | None]:
            if len(path) == 2 and path[0] == "config" and path[1] in values:
                return True, values[path[1]]
            return False, None

        return scope({}, lookup=lookup).over(self.further)


class Reader:
    """Resolves texts with what is known."""

    __slots__ = ("_known", "_scope")

    def __init__(self, known: Known) -> None:
        self._known = known
        self._scope = known.seen()

    def template(self, text: str) -> str:
        """A template's text, resolved. Raises ``ExpressionError``."""
        if "{{" not in text:
            return text
        resolved = self.rendered(text)
        if isinstance(resolved, Template) and str(resolved) == str(parse_template(text)):
            return text
        return template_text(resolved)

    def rendered(self, text: str) -> Template | str:
        """A template, resolved: the final text, or what is left of the template. Raises ``ExpressionError``."""
        found = render(text, self._scope)
        for _ in range(_ROUNDS):
            if found.static:
                return found.string
            assert isinstance(found.rest, Template)
            if not self._has_stand_ins(found.rest):
                return found.rest
            found = render(Template(text, tuple(self._piece(piece) for piece in found.rest.pieces)), self._scope)
        raise ExpressionError("the parameters in it stand for each other", text, 0)

    def expression(self, text: str) -> Resolved:
        """An expression (or a template that is nothing else), resolved. Raises ``ExpressionError``."""
        found = evaluate(inner(text), self._scope)
        for _ in range(_ROUNDS):
            if found.static or not isinstance(found.rest, Expr) or not self._has_stand_ins(found.rest):
                return found
            found = evaluate(self._substituted(found.rest), self._scope)
        raise ExpressionError("the parameters in it stand for each other", text, 0)

    def _has_stand_ins(self, program: Expr | Template) -> bool:
        stand_ins = self._known.stand_ins
        return any(len(name) > 1 and name[0] == "config" and name[1] in stand_ins for name in names(program))

    def _piece(self, piece: str | Expr) -> str | Expr:
        return piece if isinstance(piece, str) else self._substituted(piece)

    def _substituted(self, expr: Expr) -> Expr:
        return parse(program_text(substituted(expr.root, self._known.stand_ins)))


def unresolved_parameters(text: str, *, template: bool) -> frozenset[str]:
    """The parameters that a resolved text still asks for."""
    program = parse_template(text) if template else parse(text)
    return frozenset(name[1] for name in names(program) if len(name) > 1 and name[0] == "config")


def inner(text: str) -> str:
    """An expression where someone may have written it inside ``{{ }}``."""
    found = _PURE.fullmatch(text)
    return found[1] if found and "{{" not in found[1] and "}}" not in found[1] else text


def template_text(resolved: Template | str) -> str:
    """A resolved template as a text of a document, with no more escapes than it needs."""
    if isinstance(resolved, str):
        return literal(resolved)
    return _NEEDLESS.sub("{", str(resolved))


def literal(text: str) -> str:
    """A text as a template that renders to exactly it."""
    return text.replace("{{", '{{"{{"}}') if "{{" in text else text


def as_expression(resolved: Template | str) -> Node:
    """A resolved template as an expression: the one that it is, or the texts and expressions in it joined."""
    if isinstance(resolved, str):
        return Literal(resolved)
    if resolved.only is not None:
        return resolved.only.root
    pieces = [Literal(piece) if isinstance(piece, str) else piece.root for piece in resolved.pieces]
    return Call("string", tuple(Argument(piece) for piece in pieces))


def substituted(node: Node, stand_ins: Mapping[str, Node] = MappingProxyType({})) -> Node:
    """The tree with each parameter that has a stand-in replaced by it."""

    def deep(one: Node) -> Node:
        match one:
            case Literal():
                return one
            case Name(path=path):
                return _replaced(one, path, stand_ins)
            case Property(target=target, key=key, offset=offset):
                return Property(deep(target), key, offset)
            case Call(name=name, arguments=arguments, offset=offset):
                inside = tuple(Argument(deep(a.node), a.spread) for a in arguments)
                return Call(name, _with_body(inside, stand_ins) if name in _WITH_BODY else inside, offset)
            case Not(operand=operand, offset=offset):
                return Not(deep(operand), offset)
            case Binary(operator=operator, left=left, right=right, offset=offset):
                return Binary(operator, deep(left), deep(right), offset)
            case Choice(condition=condition, truthy=truthy, falsy=falsy, offset=offset):
                return Choice(deep(condition), deep(truthy), deep(falsy), offset)

    return deep(node)


def _with_body(arguments: tuple[Argument, ...], stand_ins: Mapping[str, Node]) -> tuple[Argument, ...]:
    """The arguments of a function whose last one is an expression as a text, with that text substituted too."""
    last = arguments[-1].node if arguments else None
    if not isinstance(last, Literal) or not isinstance(last.value, str):
        return arguments
    try:
        body = parse(last.value)
    except ExpressionError:
        return arguments
    if not any(len(name) > 1 and name[0] == "config" and name[1] in stand_ins for name in names(body)):
        return arguments
    text = program_text(substituted(body.written, stand_ins))
    return (*arguments[:-1], Argument(Literal(text, last.offset)))


def _replaced(name: Name, path: Path, stand_ins: Mapping[str, Node]) -> Node:
    if len(path) < 2 or path[0] != "config" or path[1] not in stand_ins:
        return name
    node = stand_ins[path[1]]
    for key in path[2:]:
        node = Property(node, key, name.offset)
    return node
