"""What everything from the wire must pass: sizes, alphabets, choices. Called by the codecs alone.

A check answers with the value it was given, or raises ``WireError`` with a sentence that names the field. What a user
can get wrong (a name that no workflow has, say) is not refused here but by the services, who can say it to the user;
here only what an honest peer never sends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from math import isfinite
from typing import Protocol, TypeVar

from workflow.identifiers import BadIdentifier
from workflow.plan.nodes import Json

MAX_TEXT = 4096
"""Characters of a sentence, a path or a version at the most. Longer sentences are cut when sent; refused when read."""
MAX_NAME = 1024
"""Bytes of an artifact's name at the most."""
MAX_ITEMS = 10_000
"""Things in any list or map at the most."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ADDRESS = re.compile(r"[A-Za-z0-9.:_\[\]-]{0,255}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

E = TypeVar("E", bound=Enum)
T = TypeVar("T")
Text = TypeVar("Text", bound=str)


class WireError(ValueError):
    """The peer sent what no honest peer sends, or we were about to. The sentence names the field."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Pair(Protocol):
    """``Transfer`` of execution.proto: a digest and a path."""

    @property
    def digest(self) -> str: ...
    @property
    def path(self) -> str: ...


def identifier(check: Callable[[str], Text], value: str) -> Text:
    """``value`` by one of workflow.identifiers' checks."""
    try:
        return check(value)
    except BadIdentifier as problem:
        raise WireError(str(problem)) from None


def choice(kind: type[E], value: str, allowed: frozenset[E] | None = None) -> E:
    """``value`` as one of an enumeration's, or of ``allowed`` alone."""
    try:
        found = kind(value)
    except ValueError:
        raise WireError(f"{value[:80]!r} is no {kind.__name__}") from None
    if allowed is not None and found not in allowed:
        raise WireError(f"{value!r} cannot be said here")
    return found


def text(what: str, value: str, limit: int = MAX_TEXT) -> str:
    """``value``, when it is no longer than ``limit`` characters."""
    if len(value) > limit:
        raise WireError(f"{what} has {len(value)} characters; {limit} are the most")
    return value


def sentence(value: str) -> str:
    """Words for people on their way out: cut to what the peer takes, and encodable whatever stood in them."""
    cut = value if len(value) <= MAX_TEXT else value[: MAX_TEXT - 1] + "…"
    return cut if cut.isascii() else cut.encode("utf-8", "replace").decode("utf-8")


def digest(value: str) -> str:
    """``sha256:<64 hex digits>``."""
    if not _DIGEST.fullmatch(value):
        raise WireError(f"{value[:80]!r} is no digest of the form sha256:<64 hex digits>")
    return value


def file_name(value: str) -> str:
    """An artifact's name: relative, normalised, "/"-separated, at most MAX_NAME bytes, no control characters."""
    if not value or len(value.encode()) > MAX_NAME:
        raise WireError(f"a file's name has between 1 and {MAX_NAME} bytes")
    if _CONTROL.search(value) or "\\" in value or any(part in {"", ".", ".."} for part in value.split("/")):
        raise WireError(f"{value[:80]!r} is no relative, normalised path")
    return value


def address(value: str) -> str:
    """A host name or IP address, or nothing."""
    if not _ADDRESS.fullmatch(value):
        raise WireError(f"{value[:80]!r} is no host name or address")
    return value


def items(what: str, values: Iterable[T], limit: int = MAX_ITEMS) -> tuple[T, ...]:
    """The values, when there are at most ``limit``."""
    found = tuple(values)
    if len(found) > limit:
        raise WireError(f"{what}: {len(found)} are given; {limit} are the most")
    return found


def texts(what: str, values: Mapping[str, str]) -> dict[str, str]:
    """A map of short texts."""
    if len(values) > MAX_ITEMS:
        raise WireError(f"{what}: {len(values)} are given; {MAX_ITEMS} are the most")
    return dict(values)


def pairs(values: Iterable[Pair]) -> tuple[tuple[str, str], ...]:
    """Transfers as (digest, path)."""
    return tuple((digest(pair.digest), _path(pair.path)) for pair in items("transfers", values))


def _path(value: str) -> str:
    if "\x00" in value:
        raise WireError("a transfer's path holds a NUL")
    return text("a transfer's path", value)


def to_json(what: str, value: Mapping[str, Json]) -> str:
    """A map of JSON values as text; empty for an empty one."""
    if not value:
        return ""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as problem:
        raise WireError(f"{what} cannot be written as JSON: {problem}") from None


def from_json(what: str, value: str) -> dict[str, Json]:
    """The reverse of ``to_json``."""
    if not value:
        return {}
    try:
        found = json.loads(value, parse_constant=_no_constant, parse_float=_finite)
        if (
            "\\ud" in value or "\\uD" in value
        ):  # half a surrogate pair is no text; later it could not be written anywhere
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise WireError(f"{what} is no JSON") from None
    if not isinstance(found, dict):
        raise WireError(f"{what} is no JSON object")
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(digits)
    return number


def _no_constant(name: str) -> Json:
    raise ValueError(name)
