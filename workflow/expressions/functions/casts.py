"""string, int, float, bool: from one kind to another."""

from __future__ import annotations

from typing import Final

from workflow.expressions.data import Datum
from workflow.expressions.functions.calling import Builtin, counted, loose_text
from workflow.expressions.limits import Budget
from workflow.expressions.values import integer, number_of, truth


def _string(values: list[Datum], budget: Budget) -> Datum:
    parts = [loose_text(value, budget) for value in values]
    budget.text(sum(map(len, parts)))
    return "".join(parts)


def _int(values: list[Datum], budget: Budget) -> Datum:
    counted("int", values, 1, 1)
    return integer(values[0], budget)


def _float(values: list[Datum], budget: Budget) -> Datum:
    counted("float", values, 1, 1)
    return number_of(values[0], budget)


def _bool(values: list[Datum], budget: Budget) -> Datum:
    counted("bool", values, 1, 1)
    return truth(values[0])


FUNCTIONS: Final[dict[str, Builtin]] = {"string": _string, "int": _int, "float": _float, "bool": _bool}
