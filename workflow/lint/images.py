"""Images that the place where a workflow runs cannot honour. Called by lint."""

from __future__ import annotations

import re
from typing import Final

from workflow.expressions import ExpressionError, calls, names, parse_template

_REFERENCE: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/|\[[0-9a-fA-F:]+\](?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?"
)
_RUNNING: Final = frozenset({"env", "output", "status", "passed", "failed", "success", "error", "self"})
"""Names that only a step which runs knows."""
_RUNNING_CALLS: Final = frozenset({"file", "glob"})


def cannot_be(image: str) -> str:
    """Why no pod can have this image, in words; empty where one can."""
    if "{{" in image:
        return _open(image)
    if not _REFERENCE.fullmatch(image):
        return "it is no name of an image (like registry.example.com/team/app:1.2; lower case, no blanks)"
    return ""


def _open(image: str) -> str:
    try:
        program = parse_template(image)
    except ExpressionError:
        return ""  # the parser of documents says so
    asked = {path[0] for path in names(program)} & _RUNNING | calls(program) & _RUNNING_CALLS
    return f"{min(asked)} is known only while steps run, which no pod can wait for" if asked else ""
