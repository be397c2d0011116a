"""jq's functions with filters as arguments, and those that give none, one or many values.

Used by ``reading``. Streams are lazy, so ``first(range(1e9))`` costs one step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from workflow.expressions.data import Datum
from workflow.expressions.jq.filters import (
    Filter,
    Frame,
    chosen,
    collected,
    descended,
    every,
    identity,
    of_value,
    piped,
)
from workflow.expressions.jq.operations import split_text
from workflow.expressions.jq.transforms import distinct, failed, flattened, from_entries, to_entries
from workflow.expressions.jq.values import (
    JqError,
    array,
    as_string,
    compared,
    items_of,
    kind,
    number,
    ordered,
    text,
    true,
)
from workflow.expressions.limits import Budget

OfFilters: TypeAlias = Callable[..., Filter]


def with_argument(argument: Filter, function: Callable[[Datum, Datum, Budget], Datum]) -> Filter:
    """A function of the input and of each value of an argument."""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for known in argument(value, frame):
            frame.budget.spend(1)
            yield function(value, known, frame.budget)

    return filtered


def _by(key: Filter, finish: Callable[[list[tuple[Datum, Datum]], Budget], Datum]) -> Filter:
    """A function of the items of an array, each with what ``key`` says of it."""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        keyed: list[tuple[Datum, Datum]] = []
        for item in array(value, "be sorted"):
            found: list[Datum] = []
            for part in key(item, frame):
                frame.budget.spend(1)
                found.append(part)
            keyed.append((found, item))
        yield finish(keyed, frame.budget)

    return filtered


def _mapped_values(change: Filter) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        if isinstance(value, list):
            yield [known for item in value for known in _at_most(change(item, frame), 1)]
            return
        if not isinstance(value, dict):
            raise JqError(f"{kind(value)} has no items")
        yield {key: known for key, item in value.items() for known in _at_most(change(item, frame), 1)}

    return filtered


def _at_most(stream: Iterator[Datum], count: int) -> Iterator[Datum]:
    if count > 0:
        for taken, value in enumerate(stream, 1):
            yield value
            if taken >= count:
                return


def _limited(count: Filter, source: Filter) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for most in count(value, frame):
            if number(most, "be a limit") < 0:
                raise JqError("limit takes no count below 0")
            yield from _at_most(source(value, frame), math.ceil(min(number(most, "be a limit"), 1e9)))

    return filtered


def _last(source: Filter) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        found: list[Datum] = []
        for known in source(value, frame):
            frame.budget.spend(1)
            found[:] = [known]
        yield from found

    return filtered


def _quantified(source: Filter, decided: bool) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        yield decided if any(true(known) is decided for known in source(value, frame)) else not decided

    return filtered


def _ranged(*bounds: Filter) -> Filter:
    start, end = bounds if len(bounds) == 2 else (of_value(lambda value, _: 0), bounds[0])

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for last in end(value, frame):
            for first in start(value, frame):
                current, limit = number(first, "begin a range"), number(last, "end a range")
                while current < limit:
                    frame.budget.spend(1)
                    yield current
                    current += 1

    return filtered


def _repeated(change: Filter) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        waiting = [value]
        while waiting:
            one = waiting.pop()
            frame.budget.spend(1)
            yield one
            following: list[Datum] = []
            for known in change(one, frame):
                frame.budget.spend(1)
                following.append(known)
            waiting.extend(reversed(following))

    return filtered


def _has(value: Datum, key: Datum, budget: Budget) -> Datum:
    if isinstance(value, dict):
        return text(key, "be a key") in value
    return 0 <= number(key, "be an index") < len(array(value, "be asked for a key"))


def _contains(one: Datum, other: Datum, budget: Budget, depth: int = 0) -> bool:
    budget.spend(1)
    if depth > 50:
        raise JqError("the values are nested too deeply")
    if isinstance(one, dict) and isinstance(other, dict):
        return all(key in one and _contains(one[key], item, budget, depth + 1) for key, item in other.items())
    if isinstance(one, list) and isinstance(other, list):
        return all(
            any(kind(mine) == kind(item) and _contains(mine, item, budget, depth + 1) for mine in one) for item in other
        )
    if isinstance(one, str) and isinstance(other, str):
        budget.text(len(one))
        return other in one
    if kind(one) != kind(other):
        raise JqError(f"{kind(one)} cannot contain {kind(other)}")
    return compared(one, other, budget) == 0


def _joined(value: Datum, separator: Datum, budget: Budget) -> Datum:
    parts: list[str] = []
    for item in items_of(value, "be joined"):
        if isinstance(item, (list, dict)):
            raise JqError(f"{kind(item)} cannot be joined")
        parts.append("" if item is None else as_string(item, budget))
        budget.spend(1)
    if not parts:
        return ""
    glue = text(separator, "join")
    budget.text(sum(map(len, parts)) + len(glue) * len(parts))
    return glue.join(parts)


def _affix(test: Callable[[str, str], bool]) -> Callable[[Datum, Datum, Budget], Datum]:
    def function(value: Datum, part: Datum, budget: Budget) -> Datum:
        return test(text(value, "be compared"), text(part, "be compared"))

    return function


def _stripped(change: Callable[[str, str], str]) -> Callable[[Datum, Datum, Budget], Datum]:
    def function(value: Datum, part: Datum, budget: Budget) -> Datum:
        source, affix = text(value, "be trimmed"), text(part, "be trimmed away")
        budget.text(len(source))
        return change(source, affix)

    return function


def _found(place: Callable[[str, str], int], pick: int) -> Callable[[Datum, Datum, Budget], Datum]:
    """The place of a part in a text, or of an item in a list: the first (``pick`` 0) or the last (-1)."""

    def function(value: Datum, part: Datum, budget: Budget) -> Datum:
        if value is None:
            return None
        if isinstance(value, list) and not isinstance(part, list):
            places = [index for index, item in enumerate(value) if compared(item, part, budget) == 0]
            return places[pick] if places else None
        source, sought = text(value, "be searched"), text(part, "be sought")
        budget.text(len(source))
        index = place(source, sought) if sought else -1
        return None if index < 0 else index

    return function


def _nothing(value: Datum, frame: Frame) -> Iterator[Datum]:
    frame.budget.spend(1)
    yield from ()


def _selected(condition: Filter) -> Filter:
    return chosen(condition, identity, _nothing)


def _of_kind(*kinds: str) -> Filter:
    return _selected(of_value(lambda value, _: kind(value) in kinds))


STREAMS: Final[dict[str, Filter]] = {
    "empty": _nothing,
    "recurse": descended,
    "values": _selected(of_value(lambda value, _: value is not None)),
    "nulls": _of_kind("null"),
    "booleans": _of_kind("boolean"),
    "numbers": _of_kind("number"),
    "strings": _of_kind("string"),
    "arrays": _of_kind("array"),
    "objects": _of_kind("object"),
    "iterables": _of_kind("array", "object"),
    "scalars": _of_kind("null", "boolean", "number", "string"),
}
"""Filters without arguments that give none, one or many values."""

FILTERS: Final[dict[tuple[str, int], OfFilters]] = {
    ("map", 1): lambda change: collected(piped(every, change)),
    ("map_values", 1): _mapped_values,
    ("select", 1): _selected,
    ("sort_by", 1): lambda key: _by(key, lambda keyed, budget: [item for _, item in ordered(keyed, budget)]),
    ("group_by", 1): lambda key: _by(key, lambda keyed, budget: [*distinct(keyed, budget)]),
    ("unique_by", 1): lambda key: _by(key, lambda keyed, budget: [group[0] for group in distinct(keyed, budget)]),
    ("min_by", 1): lambda key: _by(key, lambda keyed, budget: (ordered(keyed, budget) or [(None, None)])[0][1]),
    ("max_by", 1): lambda key: _by(key, lambda keyed, budget: (ordered(keyed, budget) or [(None, None)])[-1][1]),
    ("with_entries", 1): lambda change: piped(
        piped(of_value(to_entries), collected(piped(every, change))), of_value(from_entries)
    ),
    ("has", 1): lambda key: with_argument(key, _has),
    ("contains", 1): lambda part: with_argument(part, _contains),
    ("inside", 1): lambda container: with_argument(
        container, lambda value, known, budget: _contains(known, value, budget)
    ),
    ("join", 1): lambda separator: with_argument(separator, _joined),
    ("split", 1): lambda separator: with_argument(
        separator, lambda value, known, budget: split_text(text(value, "be split"), text(known, "split"), budget)
    ),
    ("startswith", 1): lambda part: with_argument(part, _affix(str.startswith)),
    ("endswith", 1): lambda part: with_argument(part, _affix(str.endswith)),
    ("ltrimstr", 1): lambda part: with_argument(part, _stripped(str.removeprefix)),
    ("rtrimstr", 1): lambda part: with_argument(part, _stripped(str.removesuffix)),
    ("index", 1): lambda part: with_argument(part, _found(str.find, 0)),
    ("rindex", 1): lambda part: with_argument(part, _found(str.rfind, -1)),
    ("flatten", 1): lambda levels: with_argument(
        levels, lambda value, known, budget: flattened(value, budget, number(known, "be a depth"))
    ),
    ("range", 1): _ranged,
    ("range", 2): _ranged,
    ("first", 1): lambda source: _limited(of_value(lambda value, _: 1), source),
    ("last", 1): _last,
    ("limit", 2): _limited,
    ("any", 1): lambda test: _quantified(piped(every, test), True),
    ("all", 1): lambda test: _quantified(piped(every, test), False),
    ("any", 2): lambda source, test: _quantified(piped(source, test), True),
    ("all", 2): lambda source, test: _quantified(piped(source, test), False),
    ("recurse", 1): _repeated,
    ("error", 1): lambda message: with_argument(message, lambda value, known, budget: failed(known, budget)),
}
"""Functions with filters as arguments, by name and number of arguments."""

ELSEWHERE: Final = frozenset(
    """
    abs acos acosh add all any ascii asin asinh atan atan2 atanh bsearch capture cbrt combinations contains cos
    cosh date dateadd datesub debug del delpaths endswith env error exp exp10 exp2 explode expm1 first flatten
    fma fmax fmin fmod frexp fromdate fromdateiso8601 fromstream gamma get_search_list getpath gmtime group_by
    gsub halt halt_error has have_decnum have_literal_numbers implode in index indices infinite input
    input_filename input_line_number inputs inside isempty isfinite isinfinite isnan isnormal isvalid join last
    ldexp leaf_paths lgamma limit localtime log log10 log1p log2 ltrimstr map map_values match max_by min_by
    mktime modulemeta nan nearbyint normals now nth path paths pick pow pow10 range recurse repeat rindex rint
    rtrimstr scan select setpath significand sin sinh skip sort_by split splits startswith sub tan tanh test
    tgamma toarray todate todateiso8601 tojson tostream transpose trimstr trunc truncate_stream unique_by until
    utf8bytelength walk while with_entries
    """.split()  # noqa: SIM905 - a table of words
)
"""Functions of the full language that are not offered here, or not with every number of arguments."""
