"""json, tojson, yaml, toyaml: values from documents, and back."""

from __future__ import annotations

from typing import Final

from workflow.expressions.data import NONE, Datum
from workflow.expressions.encoding import json_text, read_json
from workflow.expressions.errors import ExpressionError
from workflow.expressions.functions.calling import Builtin, as_string, counted
from workflow.expressions.limits import MAX_DOCUMENT, Budget
from workflow.expressions.values import measure

_BLANKS: Final = " \t\r\n"


def document(name: str, values: list[Datum], budget: Budget) -> str:
    """The one argument of a function that reads a document."""
    counted(name, values, 1, 1)
    text = as_string(name, values[0])
    if len(text) > MAX_DOCUMENT:
        raise ExpressionError(f"{name}() reads at most {MAX_DOCUMENT} characters")
    budget.spend(1 + len(text) // 2)
    return text


def _json(values: list[Datum], budget: Budget) -> Datum:
    text = document("json", values, budget).strip(_BLANKS)
    try:
        value, end = read_json(text)
    except ExpressionError as error:
        raise ExpressionError(f"json(): {error.message}") from None
    if end != len(text):
        raise ExpressionError("json(): there is more after the end of the value")
    return value


def _tojson(values: list[Datum], budget: Budget) -> Datum:
    counted("tojson", values, 1, 1)
    measure(values[0], budget)
    text = json_text(values[0])
    budget.text(len(text))
    return text


def _yaml(values: list[Datum], budget: Budget) -> Datum:
    from workflow.expressions.yaml_text import read_yaml  # loads a whole library, and is seldom used

    return read_yaml(document("yaml", values, budget), budget)


def _toyaml(values: list[Datum], budget: Budget) -> Datum:
    from workflow.expressions.yaml_text import yaml_text

    counted("toyaml", values, 1, 1)
    value = values[0]
    measure(value, budget)
    text = yaml_text({} if value is NONE else value)
    budget.spend(10 * len(text))
    budget.text(len(text))
    return text


FUNCTIONS: Final[dict[str, Builtin]] = {"json": _json, "tojson": _tojson, "yaml": _yaml, "toyaml": _toyaml}
