"""Shards of equal length: items spread over shards by how long they took before (``muster.dev/shard-by: duration``).

Called by plan.children when it slices ``shards``, and by control_plane.services.durations, which gathers what earlier
runs recorded. Pure and deterministic: the same history gives the same shards. Durations are microseconds.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from typing import Final

from workflow.values import Json

ANNOTATION: Final = "muster.dev/shard-by"
DURATION: Final = "duration"
VARIABLE: Final = "muster"
"""The name under which an execution's variables carry its history; templates have no use for it."""
MAX_BYTES: Final = 128 * 1024
"""Bytes of a history as it travels, at the most: the shortest items are left out first."""
_ROUNDS: Final = 200
_SWEEPS: Final = 30
_EXTENSION: Final = re.compile(
    r"\.(?:py|[cm]?[jt]sx?|java|kt|scala|groovy|rb|go|rs|cs|php|feature|robot|jmx|ya?ml|json|xml|sh)(?=::|$)"
)
_BETWEEN: Final = re.compile(r"[/\\]+|::|\s*›\s*|\.")


# --- the assignment ----------------------------------------------------------------------------------------------


def balanced(weights: Sequence[int], shards: int) -> list[list[int]]:
    """The places of the items of each shard, ascending. Longest first onto the emptiest shard, then moves and swaps
    while they shorten the longest shard. No shard is longer than the mean and the longest item together, and with
    as many items as shards none is empty."""
    if shards <= 0:
        return []
    bins: list[list[int]] = [[] for _ in range(shards)]
    whole = [max(weight, 1) for weight in weights]
    loads = [(0, shard) for shard in range(shards)]
    for place in sorted(range(len(whole)), key=lambda place: (-whole[place], place)):
        load, shard = heapq.heappop(loads)
        bins[shard].append(place)
        heapq.heappush(loads, (load + whole[place], shard))
    _improve(bins, whole)
    return [sorted(each) for each in bins]


def _improve(bins: list[list[int]], weights: Sequence[int]) -> None:
    loads = [sum(weights[place] for place in each) for each in bins]
    for _ in range(_ROUNDS):
        longest = max(range(len(bins)), key=lambda shard: (loads[shard], -shard))
        shortest = min(range(len(bins)), key=lambda shard: (loads[shard], shard))
        if not _exchange(bins, loads, longest, shortest, weights):
            return


def _exchange(bins: list[list[int]], loads: list[int], long: int, short: int, weights: Sequence[int]) -> bool:
    """The move or swap that brings the two shards nearest to each other, if one does."""
    gap = loads[long] - loads[short]
    offers = [(weights[place], place) for place in bins[long]]
    returns = sorted([(0, -1), *((weights[place], place) for place in bins[short])])
    best = min(
        (
            (abs(gap - 2 * (given - back)), at, other)
            for given, at in offers
            for back, other in _near(returns, given, gap)
        ),
        default=(gap, -1, -1),
    )
    if best[0] >= gap or (best[2] == -1 and len(bins[long]) == 1):
        return False
    _, at, other = best
    bins[long].remove(at)
    bins[short].append(at)
    if other >= 0:
        bins[short].remove(other)
        bins[long].append(other)
    shift = weights[at] - (weights[other] if other >= 0 else 0)
    loads[long] -= shift
    loads[short] += shift
    return True


def _near(returns: Sequence[tuple[int, int]], given: int, gap: int) -> Sequence[tuple[int, int]]:
    """What to take back for ``given`` so that about half of the gap goes over: the two nearest."""
    wanted = given - gap // 2
    low, high = 0, len(returns)
    while low < high:
        middle = (low + high) // 2
        if returns[middle][0] < wanted:
            low = middle + 1
        else:
            high = middle
    return returns[max(low - 1, 0) : low + 1]


# --- what is known of items --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class History:
    """What earlier runs recorded. ``cases``: time of test cases by the class, suite or file that holds them; ``items``:
    time of items themselves, as far as the time of whole shards tells."""

    cases: Mapping[str, int] = field(default_factory=dict)
    items: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.cases or self.items)

    def weights(self, values: Sequence[Json]) -> list[int] | None:
        """How long each item will take; who is unknown takes the median. None where nobody is known."""
        groups = _Groups(self.cases)
        texts = [text_of(value) for value in values]
        found = [groups.total(text) or self.items.get(text) for text in texts]
        known = [duration for duration in found if duration is not None]
        if not known:
            return None
        return [median_low(known) if duration is None else duration for duration in found]


def slices(values: Sequence[Json], shards: int, history: History) -> list[list[Json]] | None:
    """The items of each shard; None where the history knows none of them."""
    weights = history.weights(values)
    return None if weights is None else [[values[place] for place in each] for each in balanced(weights, shards)]


def to_variables(history: History) -> dict[str, Json]:
    """The history as a variable of an execution, within MAX_BYTES."""
    kept = History(_longest(history.cases, MAX_BYTES // 2), _longest(history.items, MAX_BYTES // 2))
    return {VARIABLE: {"cases": dict(kept.cases), "items": dict(kept.items)}} if kept else {}


def from_variables(names: Mapping[str, Json]) -> History:
    """The history that an execution's names carry; an empty one where they carry none."""
    data = names.get(VARIABLE)
    if not isinstance(data, dict):
        return History()
    return History(_durations(data.get("cases")), _durations(data.get("items")))


def text_of(value: Json) -> str:
    """What an item is called in a history."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _durations(data: Json) -> dict[str, int]:
    if not isinstance(data, dict):
        return {}
    return {key: value for key, value in data.items() if isinstance(value, int) and value >= 0}


def _longest(durations: Mapping[str, int], room: int) -> dict[str, int]:
    kept: dict[str, int] = {}
    for key, duration in sorted(durations.items(), key=lambda item: (-item[1], item[0])):
        room -= len(key.encode()) + 24
        if room < 0:
            break
        kept[key] = duration
    return kept


class _Groups:
    """Times of groups of test cases, found by whatever the items are called: a file is the module of that path, a
    folder or package is all that lies in it."""

    def __init__(self, cases: Mapping[str, int]) -> None:
        self._totals: dict[str, int] = {}
        self._ends: dict[str, set[str]] = {}
        for name, duration in cases.items():
            parts = _parts(name)
            for end in range(1, len(parts) + 1):
                key = ".".join(parts[:end])
                self._totals[key] = self._totals.get(key, 0) + duration
                for start in range(1, end):
                    self._ends.setdefault(".".join(parts[start:end]), set()).add(key)

    def total(self, text: str) -> int | None:
        """The time of what ``text`` names; None where it names nothing, or several things."""
        key = ".".join(_parts(text))
        if key in self._totals:
            return self._totals[key]
        ends = self._ends.get(key, set())
        return self._totals[next(iter(ends))] if len(ends) == 1 else None


def _parts(name: str) -> list[str]:
    return [piece for piece in _BETWEEN.split(_EXTENSION.sub("", name)) if piece][:12]


# --- items from whole shards -------------------------------------------------------------------------------------


def estimated(observations: Iterable[tuple[Sequence[str], int]]) -> dict[str, int]:
    """How long each item takes, from how long shards of them took. Newest observations last. Items begin equal; each
    sweep scales the items of a shard so that they add up to its time: runs with other shards tell them apart."""
    seen = [(tuple(dict.fromkeys(items)), duration) for items, duration in observations if items and duration > 0]
    found: dict[str, float] = {}
    for items, duration in seen:
        for item in items:
            found.setdefault(item, duration / len(items))
    for _ in range(_SWEEPS):
        for items, duration in seen:
            scale = duration / sum(found[item] for item in items)
            for item in items:
                found[item] *= scale
    return {item: max(round(duration), 1) for item, duration in found.items()}
