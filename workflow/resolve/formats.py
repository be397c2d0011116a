"""``format`` of a parameter: the forms that JSON Schema and OpenAPI name. Called by ``parameters``.

A format that is not in the table asks nothing, as those standards have it; lint names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from ipaddress import IPv4Address, IPv6Address
from typing import Final

_HOST: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")
_EMAIL: Final = re.compile(r"[^\s@\"(),:;<>\[\]\\]{1,64}@([^\s@]{1,253})")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x1f]+")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DURATION: Final = re.compile(
    r"P(?=.)(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)", re.ASCII
)
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_TIME: Final = re.compile(r"\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_FRACTION: Final = re.compile(r"\.\d+")
_LONGEST_HOST: Final = 253


def _hostname(text: str) -> bool:
    return len(text) <= _LONGEST_HOST and _HOST.fullmatch(text) is not None


def _email(text: str) -> bool:
    found = _EMAIL.fullmatch(text)
    return found is not None and _hostname(found[1])


def _date(text: str) -> bool:
    return len(text) == len("2006-01-02") and _reads(date.fromisoformat, text)


def _date_time(text: str) -> bool:
    plain = _FRACTION.sub("", text).upper()
    return _DATE_TIME.fullmatch(text) is not None and _reads(datetime.fromisoformat, plain)


def _time(text: str) -> bool:
    return _TIME.fullmatch(text) is not None and _reads(time.fromisoformat, _FRACTION.sub("", text).upper())


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


TEXTS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date": _date,
    "date-time": _date_time,
    "time": _time,
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "email": _email,
    "hostname": _hostname,
    "ipv4": lambda text: _reads(IPv4Address, text),
    "ipv6": lambda text: "%" not in text and _reads(IPv6Address, text),
    "uri": lambda text: _URI.fullmatch(text) is not None,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
}
"""Formats of texts."""

RANGES: Final[Mapping[str, int]] = {"int32": 2**31, "int64": 2**63}
"""Formats of whole numbers, and what their size stays below."""

KNOWN: Final = frozenset({*TEXTS, *RANGES, "float", "double", "password", "byte", "binary"})
"""All that mean something, the last ones to people only."""
