"""Where no secret can be asked: in what counts children out or names them, since that stands in the journal for all.

Called by build. Conditions and texts of steps may ask secrets; there only the one who runs the step sees the value.
"""

from __future__ import annotations

from typing import Final

from workflow.expressions import ExpressionError, calls, parse, parse_template
from workflow.model import Node
from workflow.model.shape import Written, each_node, texts_of
from workflow.model.steps import Strategy
from workflow.plan.static import Statics

_TOLD: Final = frozenset({"matrix", "shards", "count", "max_count", "description", "name", "execution_name"})
_HINT: Final = "a sensitive parameter or secret() can be used in what the children do"


def refuse_secrets(workflow: Node, statics: Statics) -> None:
    """Note each place in a resolved workflow where a secret would be told."""

    def look(node: Node) -> None:
        if not isinstance(node, Strategy):
            return
        for written in texts_of(node):
            if written.path[0] in _TOLD and _asks(written):
                what = node.alias_path(written.path)[0]
                message = f"{what} depends on a secret, and which children there are is told to everybody"
                statics.note(node, message, *written.path, hint=_HINT, code="told-secret")

    each_node(workflow, look)


def _asks(written: Written) -> bool:
    text = written.text
    if "secret" not in text:
        return False
    try:
        return "secret" in calls(parse_template(text) if "{{" in text else parse(text))
    except ExpressionError:
        return False
