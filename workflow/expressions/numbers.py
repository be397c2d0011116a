"""Numbers as the reference engine's runtime has them: how they print, how texts become numbers, powers, remainders.

Used by ``values``, ``encoding`` and ``arithmetic``. Knows floats and integers only. All functions are total.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

_INT_MIN = -(2**63)
_INT_LIMIT = 2.0**63
_PLAIN = re.compile(r"[+-]?(?:[0-9](?:_?[0-9])*)?(?:\.(?:[0-9](?:_?[0-9])*)?)?(?:[eE][+-]?[0-9](?:_?[0-9])*)?")
_HEXADECIMAL = re.compile(r"[+-]?0[xX]_?(?:[0-9a-fA-F](?:_?[0-9a-fA-F])*)?(?:\.[0-9a-fA-F]*)?[pP][+-]?[0-9]+")
_INFINITE = re.compile(r"([+-]?)inf(?:inity)?", re.IGNORECASE)
_LARGEST_EXPONENT = 1 << 12


def float_text(number: float) -> str:
    """Shortest digits; exponent form (``1e+06``) from a decimal exponent of 6 upwards and below -4."""
    size = abs(number)
    if 1e-4 <= size < 1e6 or number == 0:
        return repr(number).removesuffix(".0")
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    digits, exponent = _decimal(size)
    sign = "-" if number < 0 else ""
    return f"{sign}{_mantissa(digits)}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def json_float_text(number: float) -> str:
    """A finite number as JSON: plain digits from 1e-6 up to below 1e21, else exponent form without padding."""
    size = abs(number)
    plain = repr(number)
    if number != 0 and (size < 1e-6 or size >= 1e21):
        digits, exponent = _decimal(size)
        sign = "-" if number < 0 else ""
        return f"{sign}{_mantissa(digits)}e{'-' if exponent < 0 else '+'}{abs(exponent)}"
    if "e" in plain:
        plain = format(Decimal(plain), "f")
    return plain.removesuffix(".0")


def _decimal(size: float) -> tuple[str, int]:
    """Shortest significant digits of a positive number, and the decimal exponent of the first."""
    mantissa, _, power = repr(size).partition("e")
    whole, _, fraction = mantissa.partition(".")
    if power:
        return (whole + fraction).rstrip("0") or "0", int(power)
    digits = (whole + fraction).lstrip("0")
    shift = len(whole) - 1 if whole != "0" else -(len(fraction) - len(fraction.lstrip("0")) + 1)
    return digits.rstrip("0") or "0", shift


def _mantissa(digits: str) -> str:
    return digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"


def parsed_float(text: str) -> float | None:
    """The number a text says, or None: decimal, hexadecimal with exponent, infinities, NaN. No blanks around it."""
    found = _INFINITE.fullmatch(text)
    if found:
        return -math.inf if found[1] == "-" else math.inf
    if text.lower() == "nan":
        return math.nan
    try:
        if _PLAIN.fullmatch(text):
            number = float(text)
        elif _HEXADECIMAL.fullmatch(text):
            number = float.fromhex(text.replace("_", ""))
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return None if math.isinf(number) else number


def integer_of(number: float) -> int:
    """Towards zero. What does not fit in 64 bits is the smallest integer, as on the reference's processor."""
    if -_INT_LIMIT <= number < _INT_LIMIT:
        return int(number)
    return _INT_MIN


def rounded(number: float) -> float:
    """To the nearest whole number, halves away from zero."""
    if not math.isfinite(number):
        return number
    whole = math.trunc(number)
    if abs(number - whole) >= 0.5:
        whole += 1 if number > 0 else -1
    return float(whole)


def divided(left: float, right: float) -> float:
    """left / right; the caller has refused a zero divisor. Too small or too large goes to 0 or infinity."""
    return left / right


def remainder(left: float, right: float) -> float:
    """The remainder with the sign of ``left``; NaN where there is none."""
    try:
        return math.fmod(left, right)
    except ValueError:
        return math.nan


def power(base: float, exponent: float) -> float:
    """base ** exponent, with infinities and NaN in place of errors."""
    if math.isfinite(base) and math.isfinite(exponent) and base not in (0.0, 1.0) and exponent not in (0.0, 1.0):
        return _finite_power(base, exponent)
    try:
        return math.pow(base, exponent)
    except ValueError:
        odd = exponent.is_integer() and exponent % 2 != 0
        return math.copysign(math.inf, base) if odd else math.inf


def _finite_power(base: float, exponent: float) -> float:
    """By squaring the mantissa, the exponent apart: the reference's rounding, which the C library's is not."""
    if abs(exponent) == 0.5:
        root = math.sqrt(base) if base > 0 else math.nan
        return root if exponent > 0 else 1 / root
    fraction, whole = math.modf(abs(exponent))
    if fraction and base < 0:
        return math.nan
    if whole >= _INT_LIMIT:
        return _far_power(base, exponent)
    result = 1.0
    if fraction:
        if fraction > 0.5:
            fraction, whole = fraction - 1, whole + 1
        result = math.exp(fraction * math.log(base))
    mantissa, shift = _whole_power(result, base, int(whole))
    if exponent < 0:
        mantissa, shift = 1 / mantissa, -shift
    return _scaled(mantissa, shift)


def _far_power(base: float, exponent: float) -> float:
    if base == -1:
        return 1.0
    return 0.0 if (abs(base) < 1) == (exponent > 0) else math.inf


def _whole_power(start: float, base: float, count: int) -> tuple[float, int]:
    """start * base ** count as a mantissa and a binary exponent."""
    factor, factor_shift = math.frexp(base)
    result, shift = start, 0
    while count:
        if abs(factor_shift) > _LARGEST_EXPONENT:
            return result, shift + factor_shift
        if count & 1:
            result, shift = result * factor, shift + factor_shift
        factor, factor_shift = factor * factor, factor_shift * 2
        if factor < 0.5:
            factor, factor_shift = factor * 2, factor_shift - 1
        count >>= 1
    return result, shift


def _scaled(mantissa: float, shift: int) -> float:
    try:
        return math.ldexp(mantissa, shift)
    except OverflowError:
        return math.copysign(math.inf, mantissa)
