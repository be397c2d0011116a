"""The standard library: functions of known values, by name.

Called by ``evaluation``. Each takes the values of its arguments and the purse it is paid from, and gives a value; it
raises ``ExpressionError`` without a place. None of them knows names, scopes, files, clocks or secrets: what needs those
is brought by the caller as a function of the scope.
"""

from __future__ import annotations

from typing import Final

from workflow.expressions.functions import casts, documents, lists, numbers, paths, queries, shell, texts
from workflow.expressions.functions.calling import Builtin, Later

CASTS: Final = frozenset(casts.FUNCTIONS)
"""Functions that fall away around what already has their kind."""

FUNCTIONS: Final[dict[str, Builtin]] = {
    **casts.FUNCTIONS,
    **documents.FUNCTIONS,
    **lists.FUNCTIONS,
    **numbers.FUNCTIONS,
    **paths.FUNCTIONS,
    **queries.FUNCTIONS,
    **shell.FUNCTIONS,
    **texts.FUNCTIONS,
}

__all__ = ["CASTS", "FUNCTIONS", "Builtin", "Later"]
