"""trim."""

from __future__ import annotations

from typing import Final

from workflow.expressions.data import Datum
from workflow.expressions.functions.calling import Builtin, as_string, counted
from workflow.expressions.limits import Budget

_BLANKS: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def _trim(values: list[Datum], budget: Budget) -> Datum:
    counted("trim", values, 1, 1)
    text = as_string("trim", values[0])
    budget.text(len(text))
    return text.strip(_BLANKS)


FUNCTIONS: Final[dict[str, Builtin]] = {"trim": _trim}
