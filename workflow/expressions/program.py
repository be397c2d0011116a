"""Expressions and templates as callers hold them: parsed once, evaluated in any number of scopes.

This is what ``workflow.expressions`` shows to the other packages. Short texts are remembered, so parsing the same one
again costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from workflow.expressions.data import NONE, Datum, Value
from workflow.expressions.errors import ExpressionError
from workflow.expressions.evaluation import Evaluation, Unresolved
from workflow.expressions.functions.calling import loose_text
from workflow.expressions.limits import Budget
from workflow.expressions.parser import Parsed, read
from workflow.expressions.printing import escaped, program_text
from workflow.expressions.scope import EMPTY, Scope
from workflow.expressions.syntax import WILDCARD_MAP, Call, Literal, Name, Node, height, walk
from workflow.expressions.template import Piece, pure_expression, read_pieces, settled, template_text
from workflow.expressions.usage import is_wildcard, mentioned
from workflow.expressions.values import admitted, kind_name, literals, released, text_of, truth

_REMEMBERED: Final = 1024  # characters of a text that is kept parsed
_KEPT: Final = 4096  # texts: a thousand steps are checked, resolved and planned one after another
_LIGHT: Final = 256


@dataclass(frozen=True, slots=True)
class Expr:
    """A parsed expression. ``root`` has everything resolved that needs no scope, unless that would be large."""

    source: str
    written: Node
    root: Node
    light: bool
    levels: int
    warnings: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        return program_text(self.root)


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed text with ``{{ }}``: plain texts and expressions in a row."""

    source: str
    pieces: tuple[str | Expr, ...]

    @property
    def only(self) -> Expr | None:
        """The expression of a template that is exactly one ``{{ expr }}`` and nothing else."""
        match self.pieces:
            case (Expr() as expr,):
                return expr
            case _:
                return None

    def __str__(self) -> str:
        return template_text(_nodes(self.pieces), program_text)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What an evaluation gave: all of it (``static``), or ``rest``, which another scope may finish."""

    static: bool
    datum: Datum
    string: str
    """The text form; empty while not static. Empty too for a map with an infinite number, which has none."""
    rest: Expr | Template

    @property
    def value(self) -> Value:
        """The value; ``None`` for none, for JSON null, and while not static. Of a template: its text."""
        return released(self.datum)

    @property
    def truthy(self) -> bool:
        """Whether the value counts as true. False while not static."""
        return self.static and truth(self.datum)

    @property
    def kind(self) -> str:
        """The value's kind in a word: none, null, bool, int, number, string, list, map."""
        return kind_name(self.datum)

    @property
    def residual(self) -> str:
        """``rest`` as a text that can be parsed again and finished later; also when static."""
        return str(self.rest)


def parse(text: str) -> Expr:
    """Reads a bare expression (at most 65,536 characters). Raises ``ExpressionError``.

    What needs no scope is computed here, so ``1/0`` is an error already.
    """
    return _parse_short(text) if len(text) <= _REMEMBERED else _parse(text)


def parse_template(text: str) -> Template:
    """Reads a text with ``{{ }}`` (at most 1,048,576 characters). Raises ``ExpressionError``."""
    return _template_short(text) if len(text) <= _REMEMBERED else _template(text)


def evaluate(expr: Expr | str, scope: Scope, mode: Unresolved = Unresolved.KEEP) -> Resolved:
    """Resolves an expression as far as ``scope`` allows; ``mode`` says what becomes of the rest.

    Raises ``ExpressionError``.
    """
    program = parse(expr) if isinstance(expr, str) else expr
    budget = Budget()
    try:
        return _resolved(_finished(program, scope, mode, budget), program.source, budget)
    except (ExpressionError, RecursionError) as error:
        raise _placed(error, program.source) from None


def render(template: Template | str, scope: Scope, mode: Unresolved = Unresolved.KEEP) -> Resolved:
    """Resolves a template to a text, as far as ``scope`` allows. Raises ``ExpressionError``."""
    program = parse_template(template) if isinstance(template, str) else template
    budget = Budget()
    try:
        pieces = settled([_piece(piece, scope, mode, budget) for piece in program.pieces], budget)
    except (ExpressionError, RecursionError) as error:
        raise _placed(error, program.source) from None
    match pieces:
        case ():
            return Resolved(True, "", "", Template("", ()))
        case (str() as text,):
            return Resolved(True, text, text, Template(text, (text,)))
        case _:
            rest = tuple(piece if isinstance(piece, str) else _rest(piece, program.source) for piece in pieces)
            return Resolved(False, NONE, "", Template(program.source, rest))


def spread(texts: Sequence[str], scope: Scope, mode: Unresolved = Unresolved.KEEP) -> list[str]:
    """Resolves a list of templates. One that is exactly one ``{{ expr }}`` giving a list becomes several elements.

    none becomes no element at all, as in the reference; a bare wildcard accessor (``a.*.b``) stays one element, joined
    by commas. With ``KEEP`` the elements are templates again (``escape`` applied), else they are final texts.
    Raises ``ExpressionError``.
    """
    found: list[str] = []
    for text in texts:
        pure = pure_expression(text) if "{{" in text else None
        expr = parse(pure) if pure is not None else None
        if expr is None or is_wildcard(expr.written):
            whole = render(text, scope, mode)
            found.append(whole.residual if mode is Unresolved.KEEP else whole.string)
            continue
        resolved = evaluate(expr, scope, mode)
        if not resolved.static:
            found.append(str(Template(text, (resolved.rest,))) if isinstance(resolved.rest, Expr) else text)
        else:
            found.extend(escaped(item) if mode is Unresolved.KEEP else item for item in _elements(resolved))
    return found


def _elements(resolved: Resolved) -> list[str]:
    if resolved.datum is NONE:
        return []
    if isinstance(resolved.datum, list):
        budget = Budget()
        return [loose_text(item, budget) for item in resolved.datum]
    return [resolved.string]


def precedence_warnings(text: str, *, template: bool = False) -> list[tuple[int, str]]:
    """Where the conventional reading of operators would give another tree: (offset, message).

    Raises ``ExpressionError``.
    """
    with _placing(text):
        if not template:
            return list(read(text).warnings)
        pieces = read_pieces(text)
        return [warning for piece in pieces if isinstance(piece, Parsed) for warning in piece.warnings]


def truthy(value: Value) -> bool:
    """Whether a value counts as true. ``None`` does not (a JSON null inside data does: ask ``Resolved.truthy``)."""
    return value is not None and truth(admitted(value))


def to_string(value: Value) -> str:
    """A value's text form; ``None`` is empty. Raises ``ExpressionError`` for a map with an infinite number."""
    return "" if value is None else text_of(admitted(value), Budget())


def escape(text: str) -> str:
    """A literal text as a template that renders to exactly that text."""
    return escaped(text)


def names(program: Expr | Template) -> frozenset[tuple[str, ...]]:
    """The dotted accessors that are used, ``_`` of map() and filter() aside. Branches never taken count too."""
    found = (one for root in _written(program) for one in mentioned(root) if isinstance(one, Name))
    return frozenset(name.path for name in found if name.path[0] != "_")


def calls(program: Expr | Template) -> frozenset[str]:
    """The names of the functions that are used."""
    found = (one for root in _written(program) for one in mentioned(root) if isinstance(one, Call))
    return frozenset(call.name for call in found if call.name != WILDCARD_MAP)


def _written(program: Expr | Template) -> list[Node]:
    if isinstance(program, Expr):
        return [program.written]
    return [piece.written for piece in program.pieces if isinstance(piece, Expr)]


@lru_cache(maxsize=_KEPT)
def _parse_short(text: str) -> Expr:
    return _parse(text)


@lru_cache(maxsize=_KEPT)
def _template_short(text: str) -> Template:
    return _template(text)


def _parse(text: str) -> Expr:
    with _placing(text):
        return _program(text, read(text))


def _template(text: str) -> Template:
    with _placing(text):
        pieces = read_pieces(text)
        return Template(text, tuple(piece if isinstance(piece, str) else _program(text, piece) for piece in pieces))


def _program(source: str, parsed: Parsed) -> Expr:
    levels = height(parsed.node)
    root = Evaluation(EMPTY, Budget(), below=levels).reduced(parsed.node)
    light = _is_light(root)
    return Expr(source, parsed.node, root if light else parsed.node, light, levels, parsed.warnings)


def _is_light(root: Node) -> bool:
    """Whether the values in a tree are small enough to be remembered with it."""
    weight = 0
    for node in walk(root):
        if isinstance(node, Literal):
            for value in literals(node.value):
                weight += 1 + (len(value) // 16 if isinstance(value, str) else 0)
                if weight > _LIGHT:
                    return False
    return True


def _finished(program: Expr, scope: Scope, mode: Unresolved, budget: Budget) -> Node:
    node = program.root
    if not program.light:
        node = Evaluation(EMPTY, budget, below=program.levels).reduced(node)
    if not isinstance(node, Literal):
        node = Evaluation(scope, budget, below=program.levels).reduced(node)
    if mode is not Unresolved.KEEP and not isinstance(node, Literal):
        node = Evaluation(scope, budget, mode, program.levels).reduced(node)
    return node


def _piece(piece: str | Expr, scope: Scope, mode: Unresolved, budget: Budget) -> Piece:
    return piece if isinstance(piece, str) else _finished(piece, scope, mode, budget)


def _resolved(node: Node, source: str, budget: Budget) -> Resolved:
    if not isinstance(node, Literal):
        return Resolved(False, NONE, "", _rest(node, source))
    return Resolved(True, node.value, loose_text(node.value, budget), Expr(source, node, node, True, 1))


def _rest(node: Node, source: str) -> Expr:
    return Expr(source, node, node, True, height(node))


def _nodes(pieces: Sequence[str | Expr]) -> Iterator[Piece]:
    for piece in pieces:
        yield piece if isinstance(piece, str) else piece.root


@contextmanager
def _placing(source: str) -> Iterator[None]:
    """Gives every error that leaves the package its text."""
    try:
        yield
    except (ExpressionError, RecursionError) as error:
        raise _placed(error, source) from None


def _placed(error: ExpressionError | RecursionError, source: str) -> ExpressionError:
    """The error with its text. The interpreter's own limit is met only by callers that stand very deep themselves."""
    if isinstance(error, RecursionError):
        return ExpressionError("nested too deeply", source, 0)
    return error.within(source)
