"""The functions that take an expression as a text and evaluate it: map, filter, eval, and the wildcard's own map.

Called by ``evaluation``, which lends itself as a ``Machine``. A body sees ``_.value``, ``_.index`` and ``_.key`` only;
names of the outer scope stay in the result and are resolved there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol, Self, TypeAlias, TypeVar

from workflow.expressions.data import NONE, Datum
from workflow.expressions.errors import ExpressionError
from workflow.expressions.limits import Budget
from workflow.expressions.parser import Parsed, read
from workflow.expressions.scope import EMPTY, Scope, item_scope
from workflow.expressions.syntax import WILDCARD_MAP, Argument, Call, Literal, Node, walk
from workflow.expressions.values import described, literals, measure, text_of, truth


class Machine(Protocol):
    """What a body needs of the evaluation it stands in."""

    budget: Budget

    def within(self, scope: Scope) -> Self:
        """The same evaluation, paid from the same purse, in another scope."""

    def body(self, node: Node) -> Node:
        """The tree resolved as far as the scope allows."""


_READING_COST: Final = 50
_Result = TypeVar("_Result")
Body: TypeAlias = Callable[[Machine, list[Datum], int], Node]


def _evaluated(machine: Machine, values: list[Datum], offset: int) -> Node:
    if len(values) != 1:
        raise ExpressionError(f"eval() takes 1 argument, not {len(values)}")
    written = text_of(values[0], machine.budget)
    return _inside("eval", written, lambda: machine.body(_folded(machine, written)))


def _mapped(machine: Machine, values: list[Datum], offset: int) -> Node:
    items, written = _list_and_body("map", machine, values)

    def results() -> list[Node]:
        root = _folded(machine, written)
        return [_applied(machine, root, item, index) for index, item in enumerate(items)]

    nodes = _inside("map", written, results)
    if all(isinstance(node, Literal) for node in nodes):
        return Literal([_rewritten(node.value, machine.budget) for node in nodes if isinstance(node, Literal)], offset)
    arguments = tuple(
        Argument(Literal(_rewritten(node.value, machine.budget), offset) if isinstance(node, Literal) else node)
        for node in nodes
    )
    return machine.body(Call("list", arguments, offset))


def _filtered(machine: Machine, values: list[Datum], offset: int) -> Node:
    items, written = _list_and_body("filter", machine, values)

    def kept() -> list[Datum]:
        root = _folded(machine, written)
        return [item for index, item in enumerate(items) if _holds(_applied(machine, root, item, index), index)]

    return Literal(_inside("filter", written, kept), offset)


BODIES: Final[dict[str, Body]] = {"map": _mapped, WILDCARD_MAP: _mapped, "filter": _filtered, "eval": _evaluated}
"""The functions of this module by name. Called with known values; each may give an unfinished tree."""


def _list_and_body(name: str, machine: Machine, values: list[Datum]) -> tuple[list[Datum], str]:
    if len(values) != 2:
        raise ExpressionError(f"{name}() takes 2 arguments, not {len(values)}")
    items = [] if values[0] is NONE else values[0]
    if not isinstance(items, list):
        raise ExpressionError(f"{name}() takes a list as its first argument, not {described(items)}")
    return items, text_of(values[1], machine.budget)


def _folded(machine: Machine, written: str) -> Node:
    machine.budget.spend(_READING_COST + len(written))
    parsed: Parsed = read(written)
    return machine.within(EMPTY).body(parsed.node)


def _applied(machine: Machine, root: Node, item: Datum, index: int) -> Node:
    machine.budget.spend(4 * sum(1 for _ in walk(root)))
    return machine.within(item_scope(item, index)).body(root)


def _holds(node: Node, index: int) -> bool:
    if not isinstance(node, Literal):
        raise ExpressionError(f"filter() cannot decide about item {index}: a name in it is not known here")
    return truth(node.value)


def _inside(name: str, written: str, work: Callable[[], _Result]) -> _Result:
    """Runs ``work``; an error in it speaks of the body and gets the place of the call."""
    try:
        return work()
    except ExpressionError as error:
        if error.message.startswith("in "):
            raise
        shown = written if len(written) <= 60 else written[:57] + "..."
        raise ExpressionError(f"in {name}()'s '{shown}': {error.message}") from None


def _rewritten(value: Datum, budget: Budget) -> Datum:
    """A mapped value as it comes out of the reference, which writes it as JSON and reads it again.

    Integers become floats, a JSON null becomes none, none inside a list becomes an empty map.
    """
    if isinstance(value, (list, dict)):
        measure(value, budget)
        if any(isinstance(item, float) and not math.isfinite(item) for item in literals(value)):
            return NONE
        return _inner(value)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NONE
    return _inner(value) if value is not NONE else NONE


def _inner(value: Datum) -> Datum:
    match value:
        case bool():
            return value
        case int():
            return float(value)
        case float():
            return value or 0.0
        case list():
            return [_inner(item) for item in value]
        case dict():
            return {key: _inner(item) for key, item in value.items()}
        case _ if value is NONE:
            return {}
        case _:
            return value
