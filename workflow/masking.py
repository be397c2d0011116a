"""Secrets taken out of a stream of bytes, wherever the stream is cut.

Called by agent.conductor for everything that a step prints and by whoever shows text that may hold a secret. It
must not know where the values come from. Masking a text whole, or cut anywhere into pieces, gives the same bytes.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from urllib.parse import quote, quote_plus

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

STARS = b"*****"
"""What stands for a secret."""
MIN_SECRET = 4
"""Bytes below which a secret is never registered: masking ``a`` everywhere would hide more than it protects."""
MAX_SECRET = 64 * 1024
"""Bytes above which only the lines of a secret are registered."""

MIN_LEAF = 8
"""Characters below which a text inside a secret that is JSON is no secret of its own: ``oauth2`` is none."""

_MAX_TABLE = 64 * 1024  # bytes of all forms up to which the faster table is made: it takes 250 times as many
_ROWS = (76, 64)  # characters in a row of base64: as base64(1) and MIME have it, and as PEM has it
_LOWER_HEX = re.compile(r"%[0-9A-F]{2}")


def forms(secret: str) -> frozenset[bytes]:
    """Every spelling under which ``secret`` is masked: as it is, each of its lines, the longer texts in it where it is
    JSON, and each of those in base64 at the three alignments, URL-encoded and JSON-escaped. Empty for a secret shorter
    than MIN_SECRET."""
    pieces = {secret, secret.strip(), *(line.strip() for line in secret.splitlines()), *_leaves(secret)}
    found = {form for piece in pieces for form in _spellings(piece)}
    return frozenset(form for form in found if MIN_SECRET <= len(form) <= MAX_SECRET * 3)


def _leaves(secret: str) -> Iterator[str]:
    """The longer texts in a secret that is a JSON document (a service account's key, registry credentials)."""
    if not secret.lstrip().startswith(("{", "[")):
        return
    try:
        open_ends: list[object] = [json.loads(secret)]
    except (ValueError, RecursionError):
        return
    while open_ends:
        match open_ends.pop():
            case str(text) if len(text) >= MIN_LEAF:
                yield text
                yield from (line for line in map(str.strip, text.splitlines()) if len(line) >= MIN_LEAF)
            case list(items):
                open_ends += items
            case dict(items):
                open_ends += items.values()
            case _:
                pass


def _spellings(piece: str) -> Iterator[bytes]:
    raw = piece.encode("utf-8", "surrogateescape")
    if not MIN_SECRET <= len(raw) <= MAX_SECRET:
        return
    yield raw
    yield from _base64(raw)
    for quoted in (quote(raw), quote(raw, safe=""), quote_plus(raw)):
        yield quoted.encode()
        yield _LOWER_HEX.sub(lambda found: found.group().lower(), quoted).encode()
    for ascii_only in (True, False):
        escaped = json.dumps(piece, ensure_ascii=ascii_only)[1:-1]
        yield escaped.encode("utf-8", "surrogateescape")
        yield escaped.replace("/", "\\/").encode("utf-8", "surrogateescape")


def _base64(raw: bytes) -> Iterator[bytes]:
    """``raw`` in base64: whole, and the characters that are sure when 0, 1 or 2 bytes (modulo 3) stand before it."""
    spelt = [base64.b64encode(raw).rstrip(b"=")]
    for whole in (base64.b64encode(raw), base64.b64encode(raw + b"\n")):
        spelt.append(whole)
        for width in _ROWS:  # programs break what is longer
            spelt += (whole[at : at + width] for at in range(0, len(whole) if len(whole) > width else 0, width))
    for before, unsure in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * before + raw)
        spelt.append(encoded[unsure : (before + len(raw)) * 8 // 6])
    for text in spelt:
        yield text
        yield text.replace(b"+", b"-").replace(b"/", b"_")


class _Patterns:
    """All forms of some secrets, compiled once for every stream that is masked with them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.forms: Sequence[bytes] = sorted({form for secret in secrets for form in forms(secret)})
        if self.forms:
            many = sum(map(len, self.forms)) > _MAX_TABLE
            kind = Implementation.ContiguousNFA if many else Implementation.DFA
            self.longest = max(map(len, self.forms))
            self._whole = BytesAhoCorasick(self.forms, MatchKind.LeftmostLongest, kind)
            self._starts = BytesAhoCorasick(sorted({form[:MIN_SECRET] for form in self.forms}))

    def found(self, data: bytes) -> list[tuple[int, int, int]]:
        """Where forms stand in ``data``: (which, start, end), the leftmost first, of several there the longest."""
        return self._whole.find_matches_as_indexes(data)

    def replaced(self, data: bytes) -> bytes:
        """A complete text, masked."""
        shown: list[bytes] = []
        position = 0
        for _, start, end in self.found(data):
            shown += data[position:start], STARS
            position = end
        return b"".join((*shown, data[position:])) if shown else data

    def possible(self, buffer: bytes, start: int) -> int:
        """The first place from ``start`` on whence the rest of ``buffer`` may grow into a form; else its end."""
        end = len(buffer)
        place = max(start, end - self.longest + 1)
        if end - place >= MIN_SECRET:
            for _, at, _ in self._starts.find_matches_as_indexes(buffer[place:], overlapping=True):
                if self._begins(buffer[place + at :]):
                    return place + at
        for place in range(max(start, end - MIN_SECRET + 1), end):
            if self._begins(buffer[place:]):
                return place
        return end

    def _begins(self, tail: bytes) -> bool:
        """Whether some form begins with ``tail`` and is longer."""
        after = bisect_right(self.forms, tail)
        return after < len(self.forms) and self.forms[after].startswith(tail)


_compiled = lru_cache(maxsize=4)(_Patterns)


class Masker:
    """A stream with the secrets replaced by STARS: the leftmost first, of several there the longest.

    Holds back only what may be the beginning of a secret, never more than the longest form.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._patterns = _compiled(tuple(sorted(set(secrets))))
        self._carry = b""

    def feed(self, data: bytes) -> bytes:
        """What can be shown of the stream so far and was not shown yet."""
        patterns = self._patterns
        if not patterns.forms:
            return data
        buffer = self._carry + data if self._carry else data
        shown: list[bytes] = []
        position, held = 0, patterns.possible(buffer, 0)
        for _, start, end in patterns.found(buffer):
            if start >= held:
                break
            shown += buffer[position:start], STARS
            position = end
            if held < position:
                held = patterns.possible(buffer, position)
        self._carry = buffer[held:]
        return b"".join((*shown, buffer[position:held]))

    def flush(self) -> bytes:
        """The rest: the stream is at its end."""
        rest, self._carry = self._carry, b""
        return self._patterns.replaced(rest) if rest else b""

    def whole(self, data: bytes) -> bytes:
        """A complete text, masked, without touching the stream."""
        return self._patterns.replaced(data) if self._patterns.forms else data
