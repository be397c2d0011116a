"""How children are counted out."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.speed import least
from workflow.expressions import Function, render, scope
from workflow.journal import ChildKind, ChildSpec
from workflow.plan.children import MAX_CHILDREN, BadSpread, expand
from workflow.plan.nodes import Execute, ExecuteItem, Json, Parallel, Plan, Service, Spread, StartServices

WORKER = Plan("worker", ())


def workers(names: dict[str, Json] | None = None, description: str = "", **spread: Any) -> tuple[ChildSpec, ...]:
    return expand(Parallel(WORKER, Spread(**spread), description=description), names or {})


def seen(name: str, **spread: Any) -> list[Any]:
    return [child.variables[name] for child in workers(**spread)]


def test_nothing_said_is_one() -> None:
    (only,) = workers()
    assert only.kind is ChildKind.WORKER
    assert only.variables == {
        "index": 0,
        "count": 1,
        "matrixIndex": 0,
        "matrixCount": 1,
        "matrix": {},
        "shardIndex": 0,
        "shardCount": 1,
        "shard": {},
    }


def test_count() -> None:
    assert seen("index", count="3") == [0, 1, 2]
    assert seen("count", count="3") == [3, 3, 3]
    assert seen("index", count="0") == []
    assert len(workers({"config": {"n": "4"}}, count="config.n")) == 4
    assert len(workers({"config": {"n": 2}}, count="{{ config.n * 2 }}")) == 4


def test_the_matrix_is_the_product_in_written_order_and_the_last_key_is_fastest() -> None:
    assert seen("matrix", matrix={"node": ["18", "20"], "env": ["staging", "production"]}) == [
        {"node": "18", "env": "staging"},
        {"node": "18", "env": "production"},
        {"node": "20", "env": "staging"},
        {"node": "20", "env": "production"},
    ]


def test_empty_lists_drop_out_of_the_matrix() -> None:
    assert seen("matrix", matrix={"a": [], "b": [1]}) == [{"b": 1}]


def test_a_matrix_times_a_count() -> None:
    found = workers(matrix={"x": ["a", "b"]}, count="2")
    keys = ("index", "matrixIndex", "shardIndex", "count", "matrixCount", "shardCount")
    assert [tuple(child.variables[key] for key in keys) for child in found] == [
        (0, 0, 0, 4, 2, 2),
        (1, 0, 1, 4, 2, 2),
        (2, 1, 0, 4, 2, 2),
        (3, 1, 1, 4, 2, 2),
    ]


def test_shards_are_slices_and_the_first_get_one_more() -> None:
    assert seen("shard", count="3", shards={"url": [1, 2, 3, 4, 5]}) == [
        {"url": [1, 2]},
        {"url": [3, 4]},
        {"url": [5]},
    ]


def test_max_count_is_capped_by_the_shortest_shards() -> None:
    assert len(workers(max_count="5", shards={"a": [1, 2, 3], "b": [1, 2]})) == 2
    assert len(workers(max_count="2", shards={"a": [1, 2, 3]})) == 2
    assert workers(max_count="5", shards={"a": []}) == ()
    assert len(workers(max_count="5")) == 5
    assert len(workers(max_count="2", count="3", shards={"a": [1]})) == 2
    assert len(workers(max_count="4", count="3", shards={"a": [1]})) == 3


def test_lists_may_be_expressions_and_templates() -> None:
    assert seen("matrix", matrix={"a": "range(3)"}) == [{"a": 0}, {"a": 1}, {"a": 2}]
    assert seen("matrix", matrix={"a": "{{ split('x,y') }}"}) == [{"a": "x"}, {"a": "y"}]
    names: dict[str, Json] = {"config": {"more": ["b", "c"], "one": "d"}}
    found = workers(names, matrix={"a": ["a", "{{ config.more }}", "-{{ config.one }}-"]})
    assert [child.variables["matrix"] for child in found] == [{"a": x} for x in ("a", "b", "c", "-d-")]


def test_functions_of_the_host_are_asked() -> None:
    operation = Parallel(WORKER, Spread(max_count="9", shards={"f": "glob('*.js')"}))
    found = expand(operation, {}, {"glob": lambda patterns: [f"{p}{i}" for p in patterns for i in range(2)]})
    assert [child.variables["shard"] for child in found] == [{"f": ["*.js0"]}, {"f": ["*.js1"]}]


def test_each_worker_has_its_own_description() -> None:
    found = workers(description="{{ matrix.a }} {{ index + 1 }}/{{ count }}", matrix={"a": ["x", "y"]})
    assert [child.description for child in found] == ["x 1/2", "y 2/2"]


def test_executions_see_their_own_variables() -> None:
    items = (
        ExecuteItem(
            "{{ matrix.name }}", spread=Spread(matrix={"name": ["a", "b"]}), config={"n": "{{ index }}", "t": 7}
        ),
        ExecuteItem(None, {"team": "{{ config.team }}"}, Spread("2")),
    )
    found = expand(Execute(items), {"config": {"team": "core"}})
    assert [(child.index, child.item, child.workflow) for child in found] == [
        (0, 0, "a"),
        (1, 0, "b"),
        (2, 1, ""),
        (3, 1, ""),
    ]
    assert found[1].config == {"n": "1", "t": 7}
    assert found[3].selector == {"team": "core"}
    assert [child.variables["index"] for child in found] == [0, 1, 0, 1]


def test_services_are_told_apart_by_their_place() -> None:
    operation = StartServices((Service("db", WORKER, Spread("2")), Service("web", WORKER, Spread())))
    assert [(child.kind, child.index, child.item) for child in expand(operation, {})] == [
        (ChildKind.SERVICE, 0, 0),
        (ChildKind.SERVICE, 1, 0),
        (ChildKind.SERVICE, 2, 1),
    ]


@pytest.mark.parametrize(
    ("spread", "words"),
    [
        ({"count": "'many'"}, "parallel.count must be a whole number from 0, not 'many'"),
        ({"count": "1.5"}, "whole number"),
        ({"count": "0-1"}, "whole number"),
        ({"count": "true"}, "whole number"),
        ({"max_count": "list(1)"}, "parallel.maxCount must be"),
        ({"count": "config.missing"}, "unknown variable config.missing"),
        ({"count": "1 +"}, "1 +"),
        ({"matrix": {"a": "5"}}, "parallel.matrix.a must be a list, not 5"),
        ({"shards": {"a": {"b": 1}}}, "parallel.shards.a must be a list"),
        ({"count": str(MAX_CHILDREN + 1)}, "10001 children; 10000 is the most"),
        ({"matrix": {"a": "range(1000)", "b": "range(1000)"}}, "1000000 children"),
    ],
)
def test_what_cannot_be_counted_is_said(spread: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSpread) as caught:
        workers(**spread)
    assert words in str(caught.value)


def test_all_items_share_one_limit() -> None:
    with pytest.raises(BadSpread, match="10002 children"):
        expand(Execute((ExecuteItem("a", spread=Spread("5001")), ExecuteItem("b", spread=Spread("5001")))), {})


def test_ten_thousand_workers_within_a_second() -> None:
    names: dict[str, Json] = {"config": {str(i): "x" * 100 for i in range(500)}}
    matrix = {"a": "range(100)", "b": "range(100)"}
    assert len(workers(names, "{{ matrix.a }}-{{ matrix.b }}", matrix=matrix)) == MAX_CHILDREN
    assert least(lambda: workers(names, "{{ matrix.a }}-{{ matrix.b }}", matrix=matrix)) < 1


lists = st.lists(st.integers(0, 9), max_size=5)


@given(
    st.dictionaries(st.sampled_from("abc"), lists), st.dictionaries(st.sampled_from("xyz"), lists), st.integers(0, 6)
)
def test_every_combination_once_and_every_shard_item_once(
    matrix: dict[str, list[int]], shards: dict[str, list[int]], count: int
) -> None:
    found = workers(matrix=dict(matrix), shards=dict(shards), count=str(count))
    kept = {key: values for key, values in matrix.items() if values}
    combinations = [dict(zip(kept, values, strict=True)) for values in product(*kept.values())]
    assert [child.variables["matrix"] for child in found] == [c for c in combinations for _ in range(count)]
    assert [child.variables["index"] for child in found] == list(range(len(found)))
    for first in range(0, len(found), max(count, 1)):
        slices: list[Any] = [child.variables["shard"] for child in found[first : first + count]]
        for key, values in shards.items():
            assert [item for each in slices for item in each[key]] == values
            sizes = [len(each[key]) for each in slices]
            assert sizes == sorted(sizes, reverse=True) and max(sizes) - min(sizes) <= 1


# --- secrets -----------------------------------------------------------------------------------------------------

OWN = 'secret("muster.dev/config","password")'
TELLS: dict[str, Function] = {"secret": lambda values: "hunter2"}


def executed(**config: Json) -> tuple[ChildSpec, ...]:
    item = ExecuteItem("child", config=config, spread=Spread(matrix={"os": "systems"}))
    return expand(Execute((item,)), {"env": {"HOME": "/root"}, "systems": ["a {{", "b"]}, TELLS)


def test_parameters_that_depend_on_secrets_are_references_with_all_else_filled_in() -> None:
    children = executed(one=f"{{{{ matrix.os }}}} {{{{ env.HOME }}}} {{{{ {OWN} }}}}", two="{{ matrix.os }}", three=7)
    assert [dict(child.config) for child in children] == [{"two": "a {{", "three": 7}, {"two": "b", "three": 7}]
    texts = [render(child.references["one"], scope({}, functions=TELLS)).string for child in children]
    assert texts == ["a {{ /root hunter2", "b /root hunter2"]
    assert "hunter2" not in repr(children)


def test_a_reference_with_an_unknown_name_is_told() -> None:
    with pytest.raises(BadSpread, match="nobody"):
        executed(one=f"{{{{ nobody.knows }}}} {{{{ {OWN} }}}}")


@pytest.mark.parametrize("text", [OWN, 'secret("api","token")'])
def test_elsewhere_no_secret_is_told_to_the_journal(text: str) -> None:
    written = f"{{{{ {text} }}}}"
    for spread in (
        {"count": text},
        {"matrix": {"a": [written]}},
        {"shards": {"a": [written]}},
        {"matrix": {"a": text}},
    ):
        with pytest.raises(BadSpread, match="would stand in the journal"):
            expand(Parallel(WORKER, Spread(**spread)), {}, TELLS)
    with pytest.raises(BadSpread, match="would stand in the journal"):
        expand(Parallel(WORKER, Spread(), description=written), {}, TELLS)
