"""jq's regular expressions: ``test``, ``match``, ``capture``, ``scan``, ``sub``, ``split`` and their kin.

Used by ``reading``. The matching itself is that of the jq library, whose engine gives up on patterns that never end;
texts and patterns are short, since a document brings both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, TypeAlias

from workflow.expressions.data import Datum
from workflow.expressions.jq.filters import Filter, Frame, constant
from workflow.expressions.jq.streams import OfFilters
from workflow.expressions.jq.values import JqError, kind, text
from workflow.expressions.limits import Budget

_LONGEST_PATTERN: Final = 1_000
_LONGEST_TEXT: Final = 10_000
_NO_FLAGS: Final = constant(None)
_COST: Final = 50
"""Units for each character of a text that is searched: engines look at it many times."""

Match: TypeAlias = dict[str, Datum]
"""``offset``, ``length``, ``string`` and ``captures``, as jq gives them."""
_Shown: TypeAlias = Callable[[Match], Datum]


@lru_cache(maxsize=256)
def _program(pattern: str, flags: str) -> Any:
    import jq  # type: ignore[import-not-found]  # it has no stubs

    return jq.compile("[match($pattern; $flags)]", args={"pattern": pattern, "flags": flags})


def _matches(value: Datum, pattern: Datum, flags: str, budget: Budget) -> list[Match]:
    if isinstance(pattern, list) and 1 <= len(pattern) <= 2:
        flags += text(pattern[1], "be flags") if len(pattern) == 2 and pattern[1] is not None else ""
        pattern = pattern[0]
    source, wanted = text(value, "be matched"), text(pattern, "be a pattern")
    if len(source) > _LONGEST_TEXT or len(wanted) > _LONGEST_PATTERN:
        raise JqError(f"patterns have at most {_LONGEST_PATTERN} characters, texts {_LONGEST_TEXT}")
    budget.spend(_COST * (1 + len(source)))
    try:
        found: list[Match] = _program(wanted, flags).input_value(source).first()
    except ValueError as error:
        raise JqError(str(error).splitlines()[0][:200]) from None
    budget.items(sum(2 + len(_captures(match)) for match in found))
    return found


def _captures(match: Match) -> list[dict[str, Datum]]:
    captures = match["captures"]
    return [each for each in captures if isinstance(each, dict)] if isinstance(captures, list) else []


def _named(match: Match) -> dict[str, Datum]:
    return {each["name"]: each["string"] for each in _captures(match) if isinstance(each["name"], str)}


def _strings(match: Match) -> Datum:
    captures = _captures(match)
    return [each["string"] for each in captures] if captures else match["string"]


def _found(pattern: Filter, flags: Filter, more: str = "") -> Filter:
    """A list of matches for each pattern and flags."""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for said in flags(value, frame):
            for one in pattern(value, frame):
                matches = _matches(value, one, _flags(said) + more, frame.budget)
                yield [*matches]

    return filtered


def _flags(said: Datum) -> str:
    return "" if said is None else text(said, "be flags")


def _each(more: str, shown: _Shown) -> OfFilters:
    def made(pattern: Filter, flags: Filter = _NO_FLAGS) -> Filter:
        matches = _found(pattern, flags, more)

        def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
            for found in matches(value, frame):
                assert isinstance(found, list)
                yield from (shown(match) for match in found if isinstance(match, dict))

        return filtered

    return made


def _tests(pattern: Filter, flags: Filter = _NO_FLAGS) -> Filter:
    matches = _found(pattern, flags)

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        yield from (bool(found) for found in matches(value, frame))

    return filtered


def _substituted(more: str) -> OfFilters:
    def made(pattern: Filter, replacement: Filter, flags: Filter = _NO_FLAGS) -> Filter:
        matches = _found(pattern, flags, more)

        def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
            for found in matches(value, frame):
                assert isinstance(found, list) and isinstance(value, str)
                pieces, place = [""], 0
                for match in found:
                    assert isinstance(match, dict)
                    start, length = match["offset"], match["length"]
                    assert isinstance(start, int) and isinstance(length, int)
                    gap, place = value[place:start], start + length
                    said = [_replacing(one) for one in replacement(_named(match), frame)]
                    pieces = [before + gap + one for one in said for before in pieces]
                    frame.budget.text(sum(map(len, pieces)))
                yield from (one + value[place:] for one in pieces)

        return filtered

    return made


def _replacing(value: Datum) -> str:
    if not isinstance(value, str):
        raise JqError(f"{kind(value)} cannot replace a text")
    return value


def _parts(pattern: Filter, flags: Filter = _NO_FLAGS) -> Filter:
    matches = _found(pattern, flags, "g")

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for found in matches(value, frame):
            assert isinstance(found, list) and isinstance(value, str)
            parts: list[Datum] = []
            place = 0
            for match in found:
                assert isinstance(match, dict)
                start, length = match["offset"], match["length"]
                assert isinstance(start, int) and isinstance(length, int)
                parts.append(value[place:start])
                place = start + length
            yield [*parts, value[place:]]

    return filtered


def _one_by_one(pattern: Filter, flags: Filter = _NO_FLAGS) -> Filter:
    whole = _parts(pattern, flags)

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for parts in whole(value, frame):
            assert isinstance(parts, list)
            yield from parts

    return filtered


PATTERNS: Final[dict[tuple[str, int], OfFilters]] = {
    **{("test", count): _tests for count in (1, 2)},
    **{("match", count): _each("", lambda match: match) for count in (1, 2)},
    **{("capture", count): _each("", _named) for count in (1, 2)},
    **{("scan", count): _each("g", _strings) for count in (1, 2)},
    **{("sub", count): _substituted("") for count in (2, 3)},
    **{("gsub", count): _substituted("g") for count in (2, 3)},
    ("split", 2): _parts,
    **{("splits", count): _one_by_one for count in (1, 2)},
}
"""Functions of patterns, by name and number of arguments."""
