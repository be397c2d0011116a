"""jq: a query over a value, always a list of results."""

from __future__ import annotations

from typing import Final

from workflow.expressions.data import NONE, Datum
from workflow.expressions.encoding import json_text
from workflow.expressions.functions.calling import Builtin, Later, counted, loose_text
from workflow.expressions.limits import Budget
from workflow.expressions.values import measure


def _jq(values: list[Datum], budget: Budget) -> Datum:
    from workflow.expressions.jq import Unsupported, run  # large, and seldom used

    counted("jq", values, 2, 2)
    value, program = values[0], loose_text(values[1], budget)
    measure(value, budget)
    json_text(value)  # what JSON cannot say is refused
    try:
        return run(program, _basic(value), budget)
    except Unsupported as part:
        raise Later(f"jq(): {part} is not offered here") from None


def _basic(value: Datum) -> Datum:
    """The value as JSON has it: integers are floats, none is an empty map."""
    match value:
        case bool():
            return value
        case int():
            return float(value)
        case list():
            return [_basic(item) for item in value]
        case dict():
            return {key: _basic(item) for key, item in value.items()}
        case _:
            return {} if value is NONE else value


FUNCTIONS: Final[dict[str, Builtin]] = {"jq": _jq}
