"""Sensitive parameters after a workflow was resolved: the plan names their values, and somebody carries them beside it.

Used by ``resolve``, which writes the names, and by the control plane, which gives every execution the values that its
own plan names. Pure; it never holds a value.
"""

from __future__ import annotations

import re
from typing import Final

SECRET_NAME: Final = "muster.dev/config"  # noqa: S105 - a name, not a secret
"""The name under which ``secret(name, key)`` finds the sensitive parameters of an execution. No Secret of a cluster
can be called so."""
MAX_VALUES: Final = 64 * 1024
"""Bytes of an execution's keys and values together: they travel in one message with its plan."""

_QUOTE: Final = r"""\\*["']"""  # a call may stand in a text within a text, where its quotes are escaped
_CALL: Final = re.compile(
    rf"\bsecret\(\s*{_QUOTE}{re.escape(SECRET_NAME)}{_QUOTE}\s*,\s*{_QUOTE}([^\"'\\]+){_QUOTE}\s*\)"
)


def named(text: str) -> frozenset[str]:
    """The keys that a text (a template, a whole plan as it travels) names."""
    return frozenset(_CALL.findall(text)) if SECRET_NAME in text else frozenset()
