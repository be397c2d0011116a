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
from itertools import groupby
from urllib.parse import quote, quote_plus

STARS = b"*****"
"""What stands for a secret."""
MIN_SECRET = 4
"""Bytes below which a secret is never registered: masking ``a`` everywhere would hide more than it protects."""
MAX_SECRET = 64 * 1024
"""Bytes above which only the lines of a secret are registered."""

_MAX_NESTING = 40
_LOWER_HEX = re.compile(r"%[0-9A-F]{2}")


def forms(secret: str) -> frozenset[bytes]:
    """Every spelling under which ``secret`` is masked: as it is, each of its lines, and each of those in base64 at the
    three alignments, URL-encoded and JSON-escaped. Empty for a secret shorter than MIN_SECRET."""
    pieces = {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}
    found = {form for piece in pieces for form in _spellings(piece)}
    return frozenset(form for form in found if MIN_SECRET <= len(form) <= MAX_SECRET * 3)


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
    spelt = [base64.b64encode(raw), base64.b64encode(raw).rstrip(b"=")]
    for before, unsure in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * before + raw)
        spelt.append(encoded[unsure : (before + len(raw)) * 8 // 6])
    for text in spelt:
        yield text
        yield text.replace(b"+", b"-").replace(b"/", b"_")


class Masker:
    """A stream with the secrets replaced by STARS: the leftmost first, of several there the longest.

    Holds back only what may be the beginning of a secret, never more than the longest form.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        found = sorted({form for secret in secrets for form in forms(secret)})
        self._forms: Sequence[bytes] = found
        self._carry = b""
        if found:
            self._longest = max(map(len, found))
            self._whole = re.compile(_pattern(found, 0) or b"", re.DOTALL)
            starts = sorted({form[:MIN_SECRET] for form in found})
            self._starts = re.compile(_pattern(starts, 0), re.DOTALL)

    def feed(self, data: bytes) -> bytes:
        """What can be shown of the stream so far and was not shown yet."""
        if not self._forms:
            return data
        buffer = self._carry + data if self._carry else data
        shown: list[bytes] = []
        position, held = 0, self._possible(buffer, 0)
        while (found := self._whole.search(buffer, position)) and found.start() < held:
            shown += buffer[position : found.start()], STARS
            position = found.end()
            if held < position:
                held = self._possible(buffer, position)
        shown.append(buffer[position:held])
        self._carry = buffer[held:]
        return b"".join(shown)

    def flush(self) -> bytes:
        """The rest: the stream is at its end."""
        rest, self._carry = self._carry, b""
        return self._whole.sub(STARS, rest) if rest else b""

    def whole(self, data: bytes) -> bytes:
        """A complete text, masked, without touching the stream."""
        return self._whole.sub(STARS, data) if self._forms else data

    def _possible(self, buffer: bytes, start: int) -> int:
        """The first place from ``start`` on whence the rest of ``buffer`` may grow into a form; else its end."""
        end = len(buffer)
        place = max(start, end - self._longest + 1)
        while place <= end - MIN_SECRET:
            found = self._starts.search(buffer, place)
            if not found:
                break
            place = found.start()
            if self._begins(buffer[place:]):
                return place
            place += 1
        for place in range(max(start, end - MIN_SECRET + 1), end):
            if self._begins(buffer[place:]):
                return place
        return end

    def _begins(self, tail: bytes) -> bool:
        """Whether some form begins with ``tail`` and is longer."""
        after = bisect_right(self._forms, tail)
        return after < len(self._forms) and self._forms[after].startswith(tail)


def _pattern(sorted_forms: Sequence[bytes], depth: int) -> bytes:
    """A regular expression for the longest of the forms, their common beginnings drawn together."""
    if depth > _MAX_NESTING:
        return b"(?:" + b"|".join(re.escape(form) for form in reversed(sorted_forms)) + b")"
    ends = not sorted_forms[0]
    branches = []
    for _, group in groupby((form for form in sorted_forms if form), key=lambda form: form[0]):
        same = list(group)
        shared = _shared(same[0], same[-1])
        rest = _pattern([form[shared:] for form in same], depth + 1) if len(same) > 1 else b""
        branches.append(re.escape(same[0][:shared]) + rest)
    joined = b"(?:" + b"|".join(branches) + b")" if branches else b""
    return joined + b"?" if ends and joined else joined


def _shared(first: bytes, last: bytes) -> int:
    """How many bytes two texts have in common at their beginning."""
    for index, (one, other) in enumerate(zip(first, last, strict=False)):
        if one != other:
            return index
    return min(len(first), len(last))
