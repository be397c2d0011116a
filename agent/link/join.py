"""Join strings: ``mj1.`` and base64url of JSON {server, enrol, pin, token}. Called by agent.link.enrolment.

A join string is a secret as long as its token is good: it is read from standard input, and never shown, not even in
what is raised here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Final

PREFIX: Final = "mj1."
MAX_JOIN: Final = 4096
"""Characters of a join string at the most."""

_SERVER = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")
_ENROL = re.compile(r"https://[A-Za-z0-9.:\[\]-]{1,260}")
_PIN = re.compile(r"sha256:[0-9a-f]{64}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,200}")


class BadJoin(ValueError):
    """This is no join string. The sentence says what to do and shows nothing of it."""


@dataclass(frozen=True, slots=True)
class Join:
    """Where to go, whom to trust there, and what to show."""

    server: str  # host:port of the agents' port
    enrol: str  # https URL of the enrolment port
    pin: str  # sha256:<hex> of what GET /ca.pem gives
    token: str = field(repr=False)


def parse(text: str) -> Join:
    """The join string that ``muster agents create`` printed. BadJoin."""
    text = text.strip()
    if not text.startswith(PREFIX) or len(text) > MAX_JOIN:
        raise BadJoin(_NONE)
    content = _content(text.removeprefix(PREFIX))
    parts = [content.get(key) for key in ("server", "enrol", "pin", "token")]
    server, enrol, pin, token = (part if isinstance(part, str) else "" for part in parts)
    found = zip((_SERVER, _ENROL, _PIN, _TOKEN), (server, enrol, pin, token), strict=True)
    if not all(pattern.fullmatch(part) for pattern, part in found):
        raise BadJoin(_NONE)
    return Join(server, enrol, pin, token)


def _content(encoded: str) -> dict[str, object]:
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        content = json.loads(decoded)
    except (binascii.Error, ValueError, RecursionError):
        raise BadJoin(_NONE) from None
    if not isinstance(content, dict):
        raise BadJoin(_NONE)
    return content


_NONE = (
    "this is no join string, or not all of it; muster agents create NAME --label ... prints one that begins with mj1."
)
