"""Resolving a tree as far as a scope allows.

Called by ``program``; calls ``functions`` and ``bodies``. One walk from the leaves up: what is known becomes a literal,
what is not stays as it is. The order of evaluation and the short cuts are the reference's, since errors depend on them.
"""

from __future__ import annotations

from enum import Enum
from typing import assert_never

from workflow.expressions.arithmetic import applied
from workflow.expressions.bodies import BODIES
from workflow.expressions.data import NONE, Datum
from workflow.expressions.errors import ExpressionError
from workflow.expressions.functions import CASTS, FUNCTIONS, Later
from workflow.expressions.functions.lists import at
from workflow.expressions.kinds import RETURNS, Kind, kind_of
from workflow.expressions.limits import MAX_HEIGHT, Budget
from workflow.expressions.scope import EMPTY, Scope
from workflow.expressions.syntax import (
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
from workflow.expressions.values import admitted, described, released, truth


class Unresolved(Enum):
    """What becomes of names and functions that the scope does not know."""

    KEEP = ""
    FAIL = "fail"
    NONE = "none"


class Evaluation:
    """One evaluation: a scope, a purse, and how high the trees being evaluated stand on one another."""

    __slots__ = ("_height", "_mode", "_scope", "budget")

    def __init__(self, scope: Scope, budget: Budget, mode: Unresolved = Unresolved.KEEP, below: int = 0) -> None:
        self.budget = budget
        self._scope = scope
        self._mode = mode
        self._height = below

    def within(self, scope: Scope) -> Evaluation:
        """The same evaluation in another scope."""
        return Evaluation(scope, self.budget, Unresolved.KEEP, self._height)

    def body(self, node: Node) -> Node:
        """Resolves a tree found inside a value. Raises ``ExpressionError`` when it stands too high on the others."""
        levels = height(node) + 4
        if self._height + levels > MAX_HEIGHT:
            raise ExpressionError(f"more than {MAX_HEIGHT} operations in a row or inside one another")
        self._height += levels
        resolved = self.reduced(node)
        self._height -= levels
        return resolved

    def reduced(self, node: Node) -> Node:
        """The tree with everything resolved that can be. Raises ``ExpressionError``, placed."""
        match node:
            case Literal():
                return node
            case Name():
                return self._name(node)
            case Binary():
                return self._binary(node)
            case Call():
                return self._call(node)
            case Not(operand=operand):
                inner = self.reduced(operand)
                if isinstance(inner, Literal):
                    return Literal(not truth(inner.value), node.offset)
                return node if inner is operand else Not(inner, node.offset)
            case Choice():
                return self._choice(node)
            case Property():
                return self._property(node)
            case _:
                assert_never(node)

    def _name(self, node: Name) -> Node:
        known, value = self._scope.find(node.path)
        if known:
            return Literal(value, node.offset)
        match self._mode:
            case Unresolved.KEEP:
                return node
            case Unresolved.NONE:
                return Literal(NONE, node.offset)
            case Unresolved.FAIL:
                raise ExpressionError(f"unknown variable {'.'.join(node.path)}", offset=node.offset)

    def _property(self, node: Property) -> Node:
        target = self.reduced(node.target)
        if not isinstance(target, Literal):
            return node if target is node.target else Property(target, node.key, node.offset)
        try:
            return Literal(at([target.value, node.key], self.budget), node.offset)
        except ExpressionError as error:
            raise error.placed(node.offset) from None

    def _choice(self, node: Choice) -> Node:
        condition = self.reduced(node.condition)
        if isinstance(condition, Literal):
            return self.reduced(node.truthy if truth(condition.value) else node.falsy)
        truthy, falsy = self.reduced(node.truthy), self.reduced(node.falsy)
        if condition is node.condition and truthy is node.truthy and falsy is node.falsy:
            return node
        return Choice(condition, truthy, falsy, node.offset)

    def _binary(self, node: Binary) -> Node:
        operator = node.operator
        left = self.reduced(node.left)
        if operator in _LOGICAL and isinstance(left, Literal):
            return left if truth(left.value) is (operator is Operator.OR) else self.reduced(node.right)
        right = self.reduced(node.right)
        if isinstance(right, Literal):
            if isinstance(left, Literal):
                try:
                    return Literal(applied(operator, left.value, right.value, self.budget), node.offset)
                except ExpressionError as error:
                    raise error.placed(node.offset) from None
            if operator in _LOGICAL and isinstance(right.value, bool) and kind_of(left) is Kind.BOOL:
                return right if right.value is (operator is Operator.OR) else left
        if left is node.left and right is node.right:
            return node
        return Binary(operator, left, right, node.offset)

    def _call(self, node: Call) -> Node:
        arguments, changed = [], False
        for argument in node.arguments:
            inner = self.reduced(argument.node)
            changed = changed or inner is not argument.node
            arguments.append(argument if inner is argument.node else Argument(inner, argument.spread))
        try:
            result = self._called(node, arguments)
        except ExpressionError as error:
            raise error.placed(node.offset) from None
        if result is not None:
            return result
        return Call(node.name, tuple(arguments), node.offset) if changed else node

    def _called(self, node: Call, arguments: list[Argument]) -> Node | None:
        """What the call gives, or None when it has to wait."""
        name = node.name
        if name == "any":
            return self._any(arguments, node.offset)
        if name in CASTS and len(arguments) == 1 and _has_kind(arguments[0], RETURNS[name]):
            return arguments[0].node
        if not all(isinstance(argument.node, Literal) for argument in arguments):
            return None
        if name not in BODIES and name not in FUNCTIONS and self._scope.function(name) is None:
            return self._outside(node, [], f"unknown function {name}()", may_be_none=True)
        values = self._expanded(arguments)
        if name in BODIES:
            return BODIES[name](self, values, node.offset)
        builtin = FUNCTIONS.get(name)
        if builtin is not None:
            try:
                return Literal(builtin(values, self.budget), node.offset)
            except Later as later:
                return self._outside(node, values, str(later), may_be_none=False)
        return self._outside(node, values, f"unknown function {name}()", may_be_none=True)

    def _outside(self, node: Call, values: list[Datum], failure: str, *, may_be_none: bool) -> Node | None:
        function = self._scope.function(node.name)
        if function is not None:
            result = function([released(value) for value in values])
            return Literal(NONE if result is None else admitted(result), node.offset)
        if self._mode is Unresolved.KEEP:
            return None
        if self._mode is Unresolved.NONE and may_be_none:
            return Literal(NONE, node.offset)
        raise ExpressionError(failure)

    def _expanded(self, arguments: list[Argument]) -> list[Datum]:
        """The values of the arguments, all of them known, spread lists opened."""
        values: list[Datum] = []
        for argument in arguments:
            assert isinstance(argument.node, Literal)
            value = argument.node.value
            if argument.spread:
                items = _spreadable(value)
                self.budget.items(len(values) + len(items))
                values.extend(items)
            else:
                values.append(value)
        self.budget.spend(1 + len(values))
        return values

    def _any(self, arguments: list[Argument], offset: int) -> Node | None:
        waiting = False
        for argument in arguments:
            if not isinstance(argument.node, Literal):
                waiting = True
                continue
            if not argument.spread:
                return argument.node
            items = _spreadable(argument.node.value)
            if items:
                return Literal(items[0], offset)
        return None if waiting else Literal(NONE, offset)


_LOGICAL = (Operator.AND, Operator.OR)


def _has_kind(argument: Argument, kind: Kind) -> bool:
    return not argument.spread and kind_of(argument.node) is kind


def _spreadable(value: Datum) -> list[Datum]:
    if value is NONE:
        return []
    if not isinstance(value, list):
        raise ExpressionError(f"'...' follows a list only, not {described(value)}")
    return value


def folded(node: Node) -> Node:
    """The tree with everything resolved that needs no scope."""
    return Evaluation(EMPTY, Budget()).reduced(node)
