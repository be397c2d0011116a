"""The kinds of values there are, as types. The rules are in workflow.expressions.values; used by the whole engine."""

from __future__ import annotations

from enum import Enum
from typing import Final, TypeAlias, Union

Value: TypeAlias = Union[bool, float, int, str, "list[Value]", "dict[str, Value]", None]
"""What callers hand in and get back. ``None`` is JSON null; an ``int`` prints plain digits, a ``float`` as Go does."""


class Nothing(Enum):
    """The single value of ``null`` written in an expression, of a missing map key, of an unknown name made none."""

    NONE = "none"


NONE: Final = Nothing.NONE
Datum: TypeAlias = Union[Nothing, bool, float, int, str, "list[Datum]", "dict[str, Datum]", None]
"""A value inside the engine: ``Value`` with none told apart from JSON null."""
