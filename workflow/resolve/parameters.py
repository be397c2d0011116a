"""The values of parameters: cast to their type and held against their constraints.

Called by ``configuration`` for every value that is known before anything runs. What is wrong is said in words that name
the constraint; who gave the value is not known here.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

import jq  # type: ignore[import-not-found]  # it has no stubs

from workflow.model import Parameter, ParameterType

from .formats import RANGES, TEXTS

Value: TypeAlias = bool | int | float | str
"""A parameter's value."""

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,300}(?:\.[0-9]{0,300})?|\.[0-9]{1,300})(?:[eE][+-]?[0-9]{1,3})?")
_LONGEST_PATTERN: Final = 1000
_LONGEST_MATCHED: Final = 10_000


class BadParameter(ValueError):
    """The value does not fit the parameter. The message continues a sentence that begins with its name; ``wish`` is
    the part of it that tells nothing of the value."""

    def __init__(self, wish: str, found: str = "") -> None:
        super().__init__(f"{wish}, not {found}" if found else wish)
        self.wish = wish


def cast(parameter: Parameter, value: Value) -> Value:
    """The value as the parameter's type, constraints checked. Raises ``BadParameter``, which tells nothing of a
    sensitive value."""
    if not parameter.sensitive:
        return _cast(parameter, value)
    try:
        return _cast(parameter, value)
    except BadParameter as error:
        raise BadParameter(error.wish) from None


def _cast(parameter: Parameter, value: Value) -> Value:
    match parameter.type:
        case ParameterType.STRING:
            return _checked_text(parameter, _text(value))
        case ParameterType.BOOLEAN:
            return _checked_enum(parameter, _boolean(value))
        case ParameterType.INTEGER:
            return _checked_number(parameter, _integer(value))
        case ParameterType.NUMBER:
            return _checked_number(parameter, _number(value))


def check_pattern(pattern: str) -> None:
    """Raises ``BadParameter`` when the pattern is no regular expression, or too long to be tried."""
    if len(pattern) > _LONGEST_PATTERN:
        raise BadParameter(f"has a pattern of more than {_LONGEST_PATTERN} characters")
    _matches(pattern, "")


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _boolean(value: Value) -> bool:
    word = _text(value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise BadParameter("must be true or false", _said(value))


def _integer(value: Value) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e18:
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    raise BadParameter("must be an integer", _said(value))


def _number(value: Value) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()) and math.isfinite(float(value)):
        return float(value)
    raise BadParameter("must be a number", _said(value))


def _checked_text(parameter: Parameter, value: str) -> str:
    if parameter.min_length is not None and len(value) < parameter.min_length:
        raise BadParameter(f"must have at least {parameter.min_length} characters", str(len(value)))
    if parameter.max_length is not None and len(value) > parameter.max_length:
        raise BadParameter(f"must have at most {parameter.max_length} characters", str(len(value)))
    if parameter.pattern and not _matches(parameter.pattern, value):
        raise BadParameter(f"must match {parameter.pattern}", _said(value))
    fits = TEXTS.get(parameter.format or "")
    if fits is not None and value and not fits(value):  # an empty text stands for none
        raise BadParameter(f"must be of the format {parameter.format}", _said(value))
    return _checked_enum(parameter, value)


def _checked_number(parameter: Parameter, value: int | float) -> int | float:
    p = parameter
    if (size := RANGES.get(p.format or "")) is not None and not -size <= value < size:
        raise BadParameter(f"must be of the format {p.format}", str(value))
    if p.minimum is not None and value < p.minimum:
        raise BadParameter(f"must be at least {p.minimum}", str(value))
    if p.maximum is not None and value > p.maximum:
        raise BadParameter(f"must be at most {p.maximum}", str(value))
    if p.exclusive_minimum is not None and value <= p.exclusive_minimum:
        raise BadParameter(f"must be above {p.exclusive_minimum}", str(value))
    if p.exclusive_maximum is not None and value >= p.exclusive_maximum:
        raise BadParameter(f"must be below {p.exclusive_maximum}", str(value))
    if p.multiple_of and not _is_multiple(value, p.multiple_of):
        raise BadParameter(f"must be a multiple of {p.multiple_of}", str(value))
    return _checked_enum(p, value)


V = TypeVar("V", bound=Value)


def _checked_enum(parameter: Parameter, value: V) -> V:
    if parameter.enum is not None and _text(value) not in parameter.enum:
        raise BadParameter(f"must be one of {', '.join(parameter.enum)}", _said(value))
    return value


def _is_multiple(value: int | float, step: int | float) -> bool:
    try:
        return Decimal(str(value)) % Decimal(str(step)) == 0
    except InvalidOperation:
        return False


@lru_cache(maxsize=256)
def _program(pattern: str) -> Any:
    return jq.compile("test($pattern)", args={"pattern": pattern})


def _matches(pattern: str, value: str) -> bool:
    """Whether the pattern is found in the value. Tried by jq's engine, which gives up on patterns that never end."""
    if len(value) > _LONGEST_MATCHED:
        raise BadParameter(f"has more than {_LONGEST_MATCHED} characters, too many for its pattern")
    try:
        return bool(_program(pattern).input_value(value).first())
    except ValueError as error:
        raise BadParameter(f"has a pattern that cannot be used: {str(error)[:120]}") from None


def _said(value: Value) -> str:
    text = _text(value)
    return repr(text if len(text) <= 60 else text[:57] + "...")
