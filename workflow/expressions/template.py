"""Texts with ``{{ }}`` in them: reading, resolving and writing them out again.

Called by ``program``. A template is a row of pieces, each a plain text or a tree; adjacent plain texts are one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from workflow.expressions.errors import ExpressionError
from workflow.expressions.functions.calling import loose_text
from workflow.expressions.limits import MAX_TEMPLATE, MAX_TOKENS, Budget
from workflow.expressions.parser import Parsed, parsed
from workflow.expressions.printing import escaped, reads_as_text
from workflow.expressions.syntax import Binary, Call, Literal, Node
from workflow.expressions.tokens import tokens_from

Piece: TypeAlias = str | Node

_CLOSE: Final = re.compile(r"[\t\n\f\r ]*\}\}")
_PURE: Final = re.compile(r"\s*\{\{(.*)\}\}\s*", re.DOTALL)


def read_pieces(text: str) -> list[str | Parsed]:
    """The pieces of a template as written. Raises ``ExpressionError``, placed."""
    if len(text) > MAX_TEMPLATE:
        raise ExpressionError(f"longer than {MAX_TEMPLATE} characters", offset=0)
    pieces: list[str | Parsed] = []
    place = 0
    while (start := text.find("{{", place)) >= 0:
        if start > place:
            pieces.append(text[place:start])
        tokens, end = tokens_from(text, start + 2)
        close = _CLOSE.match(text, end)
        if close is None:
            if end >= len(text):
                raise ExpressionError("the expression is not closed: '}}' is missing", offset=start)
            raise ExpressionError(f"unexpected character {text[end]!r}", offset=end)
        if tokens:
            pieces.append(parsed(tokens, end))
        if len(pieces) > MAX_TOKENS:
            raise ExpressionError(f"more than {MAX_TOKENS} pieces in one template", offset=start)
        place = close.end()
    if place < len(text):
        pieces.append(text[place:])
    return pieces


def pure_expression(text: str) -> str | None:
    """The inside of a text that is exactly one ``{{ expr }}``, blanks around it aside; None for any other."""
    found = _PURE.fullmatch(text)
    inner = found[1].strip() if found else ""
    return inner if inner and "{{" not in inner and "}}" not in inner else None


def settled(pieces: Iterable[Piece], budget: Budget) -> tuple[Piece, ...]:
    """The pieces with known trees turned into texts and adjacent texts joined."""
    rows: list[list[str] | Node] = []
    for piece in pieces:
        if not isinstance(piece, (str, Literal)):
            rows.append(piece)
            continue
        text = piece if isinstance(piece, str) else loose_text(piece.value, budget)
        last = rows[-1] if rows else None
        if isinstance(last, list):
            last.append(text)
        else:
            rows.append([text])
    budget.text(sum(sum(map(len, row)) for row in rows if isinstance(row, list)))
    return tuple("".join(row) if isinstance(row, list) else row for row in rows)


def template_text(pieces: Iterable[Piece], spelling: Callable[[Node], str]) -> str:
    """The pieces as a template."""
    return "".join(escaped(piece) if isinstance(piece, str) else _node_text(piece, spelling) for piece in pieces)


def _node_text(node: Node, spelling: Callable[[Node], str]) -> str:
    match node:
        case Literal(value=value):
            return escaped(loose_text(value, Budget()))
        case Call(name="string", arguments=arguments) if not any(argument.spread for argument in arguments):
            return "".join(_node_text(argument.node, spelling) for argument in arguments)
        case Binary(left=left, right=right) if reads_as_text(node):
            return _node_text(left, spelling) + _node_text(right, spelling)
        case _:
            return f"{{{{{spelling(node)}}}}}"
