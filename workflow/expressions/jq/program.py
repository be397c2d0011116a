"""Running a jq program on a value.

Called by the function jq(). Programs are remembered once read.
"""

from __future__ import annotations

from functools import lru_cache

from workflow.expressions.data import Datum
from workflow.expressions.errors import ExpressionError
from workflow.expressions.jq.filters import Filter, Frame
from workflow.expressions.jq.reading import Reading, Unsupported
from workflow.expressions.jq.values import JqError
from workflow.expressions.limits import MAX_ITEMS, Budget
from workflow.expressions.values import measure

MAX_PROGRAM = 4096
"""Characters in a jq program."""


@lru_cache(maxsize=256)
def _read(program: str) -> Filter:
    return Reading(program).program()


def run(program: str, value: Datum, budget: Budget) -> list[Datum]:
    """All results of ``program`` for ``value``, a JSON value.

    Raises ``ExpressionError`` when the program is wrong, fails, or costs too much; ``Unsupported`` when it uses a part
    of jq that is not offered here.
    """
    if len(program) > MAX_PROGRAM:
        raise ExpressionError(f"jq() takes a program of at most {MAX_PROGRAM} characters")
    budget.spend(len(program))
    results: list[Datum] = []
    try:
        for result in _read(program)(value, Frame(budget, {})):
            measure(result, budget)
            results.append(result)
            if len(results) > MAX_ITEMS:
                raise ExpressionError(f"jq() gives more than {MAX_ITEMS} results")
    except JqError as error:
        raise ExpressionError(f"jq(): {str(error)[:200]}") from None
    return results


__all__ = ["MAX_PROGRAM", "Unsupported", "run"]
