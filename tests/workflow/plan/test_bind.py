"""Names filled into plans and operations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.speed import least
from workflow.identifiers import StepRef
from workflow.labels import Target
from workflow.plan.bind import BadText, bind, bind_part, finish
from workflow.plan.children import expand
from workflow.plan.nodes import (
    Container,
    EnvVar,
    Execute,
    ExecuteItem,
    Group,
    Json,
    Parallel,
    Plan,
    Retry,
    Run,
    SaveArtifacts,
    Spread,
    Step,
)

REF = StepRef("1")


def script(text: str, **how: Any) -> Plan:
    return Plan("p", (Step(REF, Run(Container(), text), **how),))


def bound(text: str, **names: Json) -> str:
    (step,) = bind(script(text), names).steps
    assert isinstance(step.body, Run) and step.body.script is not None
    return step.body.script


def test_what_is_known_is_filled_in_and_the_rest_stays() -> None:
    assert bound("{{ index + 1 }}/{{ count }} {{ env.X }}", index=0, count=4) == "1/4 {{env.X}}"
    assert bound("{{ status }} {{ services.db.0.ip }}", index=0) == "{{ status }} {{ services.db.0.ip }}"


def test_texts_stay_templates() -> None:
    once = bound("{{ matrix.x }} {{ env.A }}", matrix={"x": "{{ boom }}"})
    (step,) = bind(script(once), {"env": {"A": "a"}}).steps
    done = finish(Run(Container(), once), {"env": {"A": "a"}})
    assert isinstance(step.body, Run) and isinstance(done, Run)
    assert done.script == "{{ boom }} a"


def test_a_plan_that_asks_for_nothing_is_itself() -> None:
    plan = script("{{ env.X }}", condition="passed")
    assert bind(plan, {"index": 1, "count": 2, "execution": {"id": "x"}}) is plan
    assert bind(plan, {}) is plan


def test_conditions_are_computed_as_far_as_known() -> None:
    plan = script("x", condition="matrix.env == 'prod' && passed", retry=Retry(1, "index > 2 || self.passed"))
    (step,) = bind(plan, {"matrix": {"env": "prod"}, "index": 0}).steps
    assert step.condition == "passed"
    assert step.retry == Retry(1, "self.passed")
    (never,) = bind(plan, {"matrix": {"env": "dev"}, "index": 0}).steps
    assert never.condition == "false"


def test_every_kind_of_field_is_reached() -> None:
    container = Container(
        "image:{{ index }}",
        env=(EnvVar("A_{{ index }}", "{{ index }}", {"secretKeyRef": {"name": "s{{ index }}"}}),),
        command=("{{ shard.files }}", "-{{ index }}-"),
        resources={"limits": {"cpu": "{{ index }}"}},
    )
    steps = (Step(REF, Group((Step(StepRef("1.1"), Run(container), name="n{{ index }}"),))),)
    names: dict[str, Json] = {"index": 7, "shard": {"files": ["a", "b"]}}
    plan = bind(Plan("{{ index }}", steps, pod={"nodeSelector": {"k{{ index }}": "{{ index }}"}}), names)
    assert plan.workflow == "{{ index }}", "names of workflows are no templates"
    assert plan.pod == {"nodeSelector": {"k7": "7"}}
    assert plan.steps == (
        Step(
            REF,
            Group(
                (
                    Step(
                        StepRef("1.1"),
                        Run(
                            Container(
                                "image:7",
                                env=(EnvVar("A_7", "7", {"secretKeyRef": {"name": "s7"}}),),
                                command=("a", "b", "-7-"),
                                resources={"limits": {"cpu": "7"}},
                            )
                        ),
                        name="n7",
                    ),
                )
            ),
        ),
    )


def test_workers_inside_a_worker_have_names_of_their_own() -> None:
    inner = script("{{ index }} {{ matrix.inner }} {{ matrix.outer }} {{ execution.id }}")
    plan = Plan("p", (Step(REF, Parallel(inner, Spread("index + 1", matrix={"inner": [1, "{{ matrix.outer }}"]}))),))
    names: dict[str, Json] = {"index": 2, "matrix": {"outer": "o", "inner": "no"}, "execution": {"id": "e"}}
    (step,) = bind(plan, names).steps
    assert isinstance(step.body, Parallel)
    assert step.body.spread == Spread("3", matrix={"inner": [1, "o"]})
    assert step.body.worker == script("{{index}} {{matrix.inner}} o e")


def test_the_children_of_a_bound_plan_are_complete() -> None:
    worker = script(
        "{{ index }}-{{ matrix.a }}-{{ services.db.0.ip }}-{{ step.build.outputs.v }}-{{ step.own.outputs.v }}"
    )
    own = replace(worker.steps[0], id="own")
    parallel = Parallel(replace(worker, steps=(own,)), Spread(matrix={"a": ["x", "y"]}))
    names: dict[str, Json] = {
        "services": {"db": [{"ip": "10.0.0.1"}]},
        "step": {"build": {"outputs": {"v": "7"}, "results": "/r"}, "own": {"outputs": {"v": "no"}}},
        "config": {"unused": 1},
    }
    children = expand(parallel, names)
    assert children[0].variables["step"] == {"build": {"outputs": {"v": "7"}}, "own": {"outputs": {"v": "no"}}}
    (step,) = bind(parallel.worker, children[1].variables).steps
    assert isinstance(step.body, Run)
    assert step.body.script == "1-y-10.0.0.1-7-{{step.own.outputs.v}}"


def test_children_get_nothing_that_they_do_not_ask_for() -> None:
    names: dict[str, Json] = {"services": {"db": []}, "step": {"a": {"outputs": {"v": "7"}}}}
    assert not {"services", "step"} & expand(Parallel(script("x"), Spread()), names)[0].variables.keys()


def test_a_part_can_be_bound() -> None:
    target = Target({"environment": ("{{ matrix.env }}",)})
    assert bind_part(target, {"matrix": {"env": "dev"}}) == Target({"environment": ("dev",)})


def test_what_cannot_be_computed_is_said() -> None:
    with pytest.raises(BadText, match="1/index"):
        bound("{{ 1/index }}", index=0)


# --- finish ------------------------------------------------------------------------------------------------------


def test_finish_leaves_no_template() -> None:
    operation = Run(Container("i", command=("{{ list('a', 'b') }}", "{{ env.X }}")), '{{ step.a.outputs.k }} {{"{{"}}')
    known: dict[str, Json] = {"step": {"a": {"outputs": {"k": "v"}}}}
    done = finish(operation, known, lookup=lambda path: (path[0] == "env", "x"))
    assert done == Run(Container("i", command=("a", "b", "x")), "v {{")


def test_finish_uses_functions() -> None:
    operation = SaveArtifacts(("{{ glob('*') }}",))
    assert finish(operation, {}, functions={"glob": lambda patterns: ["a", "b"]}) == SaveArtifacts(("a", "b"))


def test_finish_refuses_what_is_unknown() -> None:
    with pytest.raises(BadText, match="unknown variable nobody"):
        finish(Run(Container(), "{{ nobody }}"), {})


def test_finish_leaves_children_alone() -> None:
    operation = Execute((ExecuteItem("{{ index }}", config={"a": "{{ matrix.x }}"}),))
    assert finish(operation, {}) == operation
    parallel = Parallel(script("{{ index }}"), Spread("{{ x }}"))
    assert finish(parallel, {}) == parallel


def test_large_plans_without_names_are_bound_quickly() -> None:
    step = Step(REF, Run(Container(env=tuple(EnvVar(f"E{i}", "v") for i in range(10))), "echo {{ env.X }}"))
    plan = Plan("p", (step,) * 3000)
    names: dict[str, Json] = {"index": 1, "matrix": {"a": 1}, "execution": {"id": "x"}}
    assert bind(plan, names) is plan
    assert least(lambda: bind(plan, names)) < 1.5
