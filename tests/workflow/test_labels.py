"""Targets and labels: what matches, what multiplies, and the words for what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.labels import (
    BadTarget,
    SchedulerPolicy,
    Target,
    agent_labels,
    from_data,
    matches,
    replicas,
    shortfall,
    to_data,
)

FLEET = {
    "dev-runner": agent_labels({"environment": "dev", "team": "a"}, id="1", name="dev-runner"),
    "prod-runner": agent_labels({"environment": "prod", "team": "b"}, id="2", name="prod-runner"),
    "prod-second": agent_labels({"environment": "prod", "team": "b"}, id="3", name="prod-second", group="big"),
}


def fitting(target: Target) -> set[str]:
    return {name for name, labels in FLEET.items() if matches(target, labels)}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(), {"dev-runner", "prod-runner", "prod-second"}),
        (Target({"environment": ("dev",)}), {"dev-runner"}),
        (Target({"environment": ("dev", "prod")}), {"dev-runner", "prod-runner", "prod-second"}),
        (Target({"environment": ("prod",), "group": ("big",)}), {"prod-second"}),
        (Target({"environment": ("prod",)}, {"name": ("prod-runner",)}), {"prod-second"}),
        (Target(exclude={"environment": ("prod",)}), {"dev-runner"}),
        (Target(exclude={"zone": ("x",)}), {"dev-runner", "prod-runner", "prod-second"}),
        (Target({"zone": ("x",)}), set()),
        (Target({"zone": ()}), set()),
        (Target(replicate=("group",)), {"prod-second"}),
        (Target({"runnertype": ("superagent",)}), {"dev-runner", "prod-runner", "prod-second"}),
    ],
)
def test_matching(target: Target, expected: set[str]) -> None:
    assert fitting(target) == expected


def test_built_in_labels_cannot_be_granted_over() -> None:
    assert agent_labels({"name": "prod-runner"}, id="9", name="dev-runner")["name"] == "dev-runner"


def test_one_copy_for_each_distinct_value() -> None:
    copies = replicas(Target(replicate=("team",)), FLEET)
    assert copies == (Target({"team": ("a",)}), Target({"team": ("b",)}))
    by_two = replicas(Target({"environment": ("prod",)}, replicate=("team", "name")), FLEET)
    assert [fitting(copy) for copy in by_two] == [{"prod-runner"}, {"prod-second"}]


def test_no_copies_while_nothing_matches_and_one_without_replicate() -> None:
    assert replicas(Target({"environment": ("qa",)}, replicate=("name",)), FLEET) == ()
    assert replicas(Target({"environment": ("qa",)}), FLEET) == (Target({"environment": ("qa",)}),)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (
            Target({"environment": ("staging",)}),
            "waits for environment=staging: 0 of 3 agents match; nearest: dev-runner has environment=dev",
        ),
        (
            Target({"environment": ("prod",), "zone": ("x", "y")}),
            "waits for environment=prod and zone=x|y: 0 of 3 agents match; nearest: prod-runner has no label zone",
        ),
        (
            Target({"team": ("b",)}, {"environment": ("prod",)}),
            "waits for team=b and not environment=prod: 0 of 3 agents match; nearest: dev-runner has team=a",
        ),
        (
            Target({"environment": ("prod",)}),
            "waits for environment=prod: 2 of 3 agents match, none is free",
        ),
        (Target(), "waits for any agent: 3 of 3 agents match, none is free"),
    ],
)
def test_the_reason_is_a_sentence(target: Target, sentence: str) -> None:
    assert shortfall(target, FLEET) == sentence


def test_the_reason_without_agents() -> None:
    assert shortfall(Target({"a": ("b",)}), {}) == "waits for a=b: there are no agents"


def test_the_short_form_and_single_values() -> None:
    assert from_data({"name": "dev-runner"}) == Target({"name": ("dev-runner",)})
    assert from_data({"match": {"environment": "dev"}, "replicate": "name"}) == Target(
        {"environment": ("dev",)}, replicate=("name",)
    )
    assert from_data({"schedulerPolicy": "OnlyWhenMatches"}).policy is SchedulerPolicy.ONLY_WHEN_MATCHES


@pytest.mark.parametrize(
    "data", [{"nam": "x"}, {"match": ["x"]}, {"match": {"a": 1}}, {"not": {"a": [1]}}, {"schedulerPolicy": "Never"}]
)
def test_what_is_no_target_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(BadTarget):
        from_data(data)


texts = st.text(min_size=1, max_size=5)
by_label = st.dictionaries(texts, st.lists(texts, min_size=1, max_size=3).map(tuple), max_size=3)


@given(st.builds(Target, by_label, by_label, st.lists(texts, max_size=2).map(tuple), st.sampled_from(SchedulerPolicy)))
def test_plain_data_and_back(target: Target) -> None:
    assert from_data(to_data(target)) == target
