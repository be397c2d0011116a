"""A bounded jq: the part of the language that queries values, paid from the evaluation's purse.

Used by the function jq() of expressions. libjq itself is not used here: it knows no limit on time or memory, gives
programs the environment of the process, and a query comes from a document. What this part lacks (own functions,
assignment, destructuring, dates, input and output) is refused by name, so that a caller may bring the full
language as a function of the scope, run where it can be stopped.
"""

from workflow.expressions.jq.program import Unsupported, run

__all__ = ["Unsupported", "run"]
