"""jq."""
from __future__ import annotations

from typing import Final

from workflow.expressions.functions.calling import Builtin

FUNCTIONS: Final[dict[str, Builtin]] = {}
