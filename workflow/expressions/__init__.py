"""The expression language of workflows: ``{{ config.name }}``, conditions, counts.

Used by everything that resolves documents and runs steps. Pure, total and bounded: an evaluation ends, whatever the
text says, with a value, with a residual program that another scope can finish, or with an ``ExpressionError``. No
files, clocks, secrets or network: what needs those comes in as a function of the scope.
"""

from workflow.expressions.data import NONE, Value
from workflow.expressions.dates import date_function, format_date
from workflow.expressions.errors import ExpressionError
from workflow.expressions.evaluation import Unresolved
from workflow.expressions.functions.paths import path_functions
from workflow.expressions.limits import one_purse
from workflow.expressions.program import (
    Expr,
    Resolved,
    Template,
    calls,
    escape,
    evaluate,
    names,
    parse,
    parse_template,
    precedence_warnings,
    render,
    spread,
    to_string,
    truthy,
)
from workflow.expressions.scope import Function, Lookup, Scope, scope

__all__ = [
    "NONE",
    "Expr",
    "ExpressionError",
    "Function",
    "Lookup",
    "Resolved",
    "Scope",
    "Template",
    "Unresolved",
    "Value",
    "calls",
    "date_function",
    "escape",
    "evaluate",
    "format_date",
    "names",
    "one_purse",
    "parse",
    "parse_template",
    "path_functions",
    "precedence_warnings",
    "render",
    "scope",
    "spread",
    "to_string",
    "truthy",
]
