"""What a parsed expression mentions: names, functions, wildcards.

Used by ``program`` and, through it, by checks of documents and by whoever has to know which names a scope must bring.
"""

from __future__ import annotations

from collections.abc import Iterator

from workflow.expressions.bodies import BODIES
from workflow.expressions.errors import ExpressionError
from workflow.expressions.parser import read
from workflow.expressions.syntax import WILDCARD_MAP, Call, Literal, Name, Node, Property, walk


def mentioned(node: Node) -> Iterator[Name | Call]:
    """All names and calls of a tree, those in the literal bodies of map(), filter() and eval() included."""
    waiting = [node]
    while waiting:
        for one in walk(waiting.pop()):
            if isinstance(one, Name):
                yield one
            elif isinstance(one, Call):
                yield one
                waiting.extend(_body(one))


def _body(call: Call) -> list[Node]:
    if call.name not in BODIES or not call.arguments:
        return []
    last = call.arguments[-1].node
    if not isinstance(last, Literal) or not isinstance(last.value, str):
        return []
    try:
        return [read(last.value).node]
    except ExpressionError:
        return []


def is_wildcard(node: Node) -> bool:
    """Whether the tree is a bare wildcard accessor: its list is joined in a template, never spread."""
    while isinstance(node, Property):
        node = node.target
    while isinstance(node, Call) and _maps_wildcard(node):
        node = node.arguments[0].node
        if isinstance(node, Name):
            return True
    return False


def _maps_wildcard(call: Call) -> bool:
    if call.name != WILDCARD_MAP or len(call.arguments) != 2 or any(argument.spread for argument in call.arguments):
        return False
    body = call.arguments[1].node
    return (
        isinstance(body, Literal)
        and isinstance(body.value, str)
        and (body.value == "_.value" or body.value.startswith("_.value."))
    )
