"""Shards of equal length: the bounds that hold always, and what a history tells of items."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.balance import MAX_BYTES, History, balanced, estimated, from_variables, slices, to_variables
from workflow.plan.children import expand
from workflow.plan.nodes import Parallel, Plan, Spread

WEIGHTS = st.lists(st.integers(1, 1_000), max_size=120)


def loads(weights: list[int], shards: int) -> list[int]:
    return [sum(weights[place] for place in each) for each in balanced(weights, shards)]


@given(weights=WEIGHTS, shards=st.integers(1, 20))
def test_every_item_is_in_one_shard(weights: list[int], shards: int) -> None:
    found = balanced(weights, shards)
    assert len(found) == shards
    assert sorted(place for each in found for place in each) == list(range(len(weights)))
    assert all(each == sorted(each) for each in found)
    assert len(weights) < shards or all(found)


@given(weights=WEIGHTS.filter(bool), shards=st.integers(1, 20))
def test_the_bound_of_longest_first(weights: list[int], shards: int) -> None:
    """At most 4/3 - 1/3m of the best there can be, which is no better than the mean and no better than the longest."""
    assert max(loads(weights, shards)) <= sum(weights) / shards + max(weights) * (1 - 1 / shards) + 1e-6
    if len(weights) <= 8:
        best = _best(weights, shards)
        assert max(loads(weights, shards)) <= (4 / 3 - 1 / (3 * shards)) * best + 1e-6


def _best(weights: list[int], shards: int) -> int:
    """The best there is, by trying all."""
    best, bins = sum(weights), [0] * shards

    def place(index: int) -> None:
        nonlocal best
        if index == len(weights):
            best = min(best, max(bins))
            return
        for shard in range(shards):
            if bins[shard] + weights[index] < best:
                bins[shard] += weights[index]
                place(index + 1)
                bins[shard] -= weights[index]
            if not bins[shard]:
                return

    place(0)
    return best


@given(seed=st.integers(0, 10_000), shards=st.integers(2, 16), each=st.integers(6, 20))
def test_tests_of_1_to_60_units_within_10_percent(seed: int, shards: int, each: int) -> None:
    dice = Random(seed)
    weights = [dice.randint(1, 60) for _ in range(shards * each)]
    mean = sum(weights) / shards
    assert max(loads(weights, shards)) <= max(1.1 * mean, max(weights))


@given(weights=WEIGHTS, shards=st.integers(1, 20))
def test_the_same_every_time(weights: list[int], shards: int) -> None:
    assert balanced(weights, shards) == balanced(list(weights), shards)


@pytest.mark.parametrize("shards", [0, -1])
def test_no_shards(shards: int) -> None:
    assert balanced([1, 2], shards) == []


# --- histories ---------------------------------------------------------------------------------------------------

CASES = {
    "tests.test_cart.TestTotal": 5,
    "tests.test_cart": 2,
    "tests.test_pay": 4,
    "tests/a.spec.ts": 9,
    "com.shop.CartTest": 7,
}


@pytest.mark.parametrize(
    ("item", "duration"),
    [
        ("tests/test_cart.py", 7),
        ("tests.test_pay", 4),
        ("tests/a.spec.ts", 9),
        ("./tests/a.spec.ts", 9),
        ("test_pay.py", 4),
        ("tests", 20),
        ("com/shop/CartTest.java", 7),
        ("CartTest", 7),
        ("nobody", None),
        ("test_cart.py::TestTotal", 5),
    ],
)
def test_items_are_found_by_what_they_are_called(item: str, duration: int | None) -> None:
    found = History(CASES).weights([item, "tests.test_pay"])
    assert found is not None
    assert found[0] == (4 if duration is None else duration)


def test_unknown_items_take_the_median() -> None:
    history = History(items={"a": 1, "b": 5, "c": 100})
    assert history.weights(["a", "new", "b", "c"]) == [1, 5, 5, 100]
    assert history.weights(["new"]) is None


def test_items_from_whole_shards() -> None:
    truth = {"a": 10, "b": 30, "c": 5, "d": 55}
    shards = [("a", "b"), ("c", "d"), ("a", "c"), ("b", "d"), ("a", "d"), ("b", "c")]
    found = estimated((shard, sum(truth[item] for item in shard)) for shard in shards)
    assert all(abs(found[item] - truth[item]) <= 2 for item in truth), found
    assert estimated([(("x", "y"), 10), ((), 5), (("z",), 0)]) == {"x": 5, "y": 5}


def test_a_history_travels_within_its_bound() -> None:
    history = History({f"case {place}": place for place in range(100_000)}, {"item": 3})
    again = from_variables(to_variables(history))
    assert again.items == {"item": 3}
    assert 0 < sum(len(key) + 24 for key in again.cases) <= MAX_BYTES // 2
    assert "case 99999" in again.cases and "case 1" not in again.cases
    assert to_variables(History()) == {}


@pytest.mark.parametrize("data", [{}, {"muster": 1}, {"muster": {"cases": [], "items": {"a": "b", "c": -1}}}])
def test_anything_else_is_no_history(data: dict[str, object]) -> None:
    assert not from_variables(data)  # type: ignore[arg-type]


# --- in the language ---------------------------------------------------------------------------------------------


def shards_of(names: dict[str, object]) -> list[object]:
    spread = Spread(count="3", shards={"file": ["a", "b", "c", "d", "e"], "other": [1, 2, 3]})
    children = expand(Parallel(Plan("w", ()), spread), names)  # type: ignore[arg-type]
    return [child.variables["shard"] for child in children]


def test_shards_without_a_history_are_contiguous() -> None:
    assert shards_of({}) == [
        {"file": ["a", "b"], "other": [1]},
        {"file": ["c", "d"], "other": [2]},
        {"file": ["e"], "other": [3]},
    ]


def test_shards_with_a_history_are_balanced() -> None:
    names = to_variables(History(items={"a": 60, "b": 1, "c": 30, "d": 29, "e": 58}))
    assert shards_of(dict(names)) == [
        {"file": ["a"], "other": [1]},
        {"file": ["b", "e"], "other": [2]},
        {"file": ["c", "d"], "other": [3]},
    ]
    assert slices(["x"], 2, History(items={"a": 1})) is None
