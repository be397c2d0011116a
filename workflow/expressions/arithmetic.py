"""What the operators do with two known values.

Called by ``evaluation``. ``==`` compares text forms, ``+`` joins texts when either side is one, everything else
wants numbers; ``&&`` and ``||`` give back one of their operands.
"""

from __future__ import annotations

from collections.abc import Callable

from workflow.expressions.data import Datum
from workflow.expressions.errors import ExpressionError
from workflow.expressions.limits import Budget
from workflow.expressions.numbers import power, remainder
from workflow.expressions.syntax import Operator
from workflow.expressions.values import number_of, text_of, truth


def applied(operator: Operator, left: Datum, right: Datum, budget: Budget) -> Datum:
    """The result of ``left operator right``. Raises ``ExpressionError``, without a place."""
    numeric = _NUMERIC.get(operator)
    if numeric is not None:
        return numeric(number_of(left, budget), number_of(right, budget))
    match operator:
        case Operator.ADD:
            return _added(left, right, budget)
        case Operator.EQUAL | Operator.EQUAL_SHORT:
            return text_of(left, budget) == text_of(right, budget)
        case Operator.UNEQUAL | Operator.UNEQUAL_ANGLES:
            return text_of(left, budget) != text_of(right, budget)
        case Operator.AND:
            return right if truth(left) else left
        case _:
            return left if truth(left) else right


def _added(left: Datum, right: Datum, budget: Budget) -> Datum:
    if isinstance(left, str) or isinstance(right, str):
        one, other = text_of(left, budget), text_of(right, budget)
        budget.text(len(one) + len(other))
        return one + other
    return number_of(left, budget) + number_of(right, budget)


def _divided(left: float, right: float) -> float:
    if right == 0:
        raise ExpressionError("division by zero")
    return left / right


def _remainder(left: float, right: float) -> float:
    if right == 0:
        raise ExpressionError("remainder of a division by zero")
    return remainder(left, right)


_NUMERIC: dict[Operator, Callable[[float, float], Datum]] = {
    Operator.SUBTRACT: lambda left, right: left - right,
    Operator.MULTIPLY: lambda left, right: left * right,
    Operator.DIVIDE: _divided,
    Operator.MODULO: _remainder,
    Operator.POWER: power,
    Operator.GREATER: lambda left, right: left > right,
    Operator.GREATER_EQUAL: lambda left, right: left >= right,
    Operator.LESS: lambda left, right: left < right,
    Operator.LESS_EQUAL: lambda left, right: left <= right,
}
