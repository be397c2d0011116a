"""Plans survive their travel as JSON, and what is no plan is refused with its place."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args

import pytest

from tests.speed import least
from workflow.identifiers import StepRef
from workflow.labels import Target
from workflow.plan import nodes
from workflow.plan.encode import BadPlan, decode, describe, encode, from_bytes, to_bytes
from workflow.plan.nodes import (
    Clone,
    Container,
    Delay,
    EnvVar,
    Execute,
    ExecuteItem,
    FetchTarball,
    File,
    GitAuth,
    Group,
    OfferFiles,
    Parallel,
    Plan,
    Retry,
    Run,
    SaveArtifacts,
    Service,
    Spread,
    StartServices,
    Step,
    StopServices,
    Transfer,
    WriteFiles,
)

CONTAINER = Container(
    image="node:{{ matrix.node }}",
    env=(EnvVar("A", "b"), EnvVar("S", value_from={"secretKeyRef": {"name": "x", "key": "k"}}, share=True)),
    command=(),
    resources={"limits": {"cpu": 1, "memory": "1Gi"}},
    volume_mounts=({"name": "v", "mountPath": "/x"},),
)
WORKER = Plan("worker", (Step(StepRef("1"), Run(CONTAINER, "echo {{ index }}")),))
OPERATIONS: tuple[Any, ...] = (
    Run(CONTAINER),
    Delay(5),
    WriteFiles((File("/a", "text", None, 420), File("/b", content_from={"configMapKeyRef": {}}))),
    Clone("https://x", "main", paths=("a",), auth=GitAuth.HEADER, token=EnvVar("T", "t")),
    FetchTarball("/data", digest="sha256:00"),
    SaveArtifacts(("**/*.xml",), compress="all.tar.gz"),
    Execute((ExecuteItem("x", target=Target({"a": ("b",)}), tarballs=(("k", Transfer("/src")),)),), 2, False),
    Parallel(WORKER, Spread("2", matrix={"a": [1, None, "x"], "b": "range(3)"}), fetch=(Transfer("/r", to="/t"),)),
    StartServices((Service("db", WORKER, Spread(), 7, readiness_probe={"tcpSocket": {"port": 1}}),)),
    StopServices(StepRef("1.2")),
    OfferFiles((Transfer("/out"),)),
)
INNER = tuple(Step(StepRef(f"1.{i}"), body, retry=Retry(2)) for i, body in enumerate(OPERATIONS, 1))
PLAN = Plan(
    "all", (Step(StepRef("1"), Group(INNER), "all", "All of them", timeout=9),), target=Target(replicate=("name",))
)


def test_every_operation_survives() -> None:
    assert {type(each) for each in OPERATIONS} == set(get_args(nodes.Operation)), "an operation is not tried here"
    assert from_bytes(to_bytes(PLAN)) == PLAN
    assert decode(json.loads(json.dumps(encode(PLAN)))) == PLAN


def test_defaults_do_not_travel() -> None:
    assert encode(Plan("p", (Step(StepRef("1"), Delay(1)),))) == {
        "v": 1,
        "workflow": "p",
        "steps": [{"ref": "1", "body": {"kind": "Delay", "duration": 1}}],
    }


def test_no_field_is_called_as_the_tag() -> None:
    kinds = [each for each in vars(nodes).values() if isinstance(each, type) and is_dataclass(each)]
    assert kinds
    assert all(field.name != "kind" for kind in kinds for field in fields(kind))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"v": 2}, "version 2"),
        ({"v": True}, "version True"),
        ({"surprise": 1}, "plan has an unknown field 'surprise'"),
        ({"workflow": 7}, "plan.workflow must be a text, not a whole number"),
        ({"steps": {}}, "plan.steps must be a list"),
        ({"steps": [{"ref": "1"}]}, r"plan.steps\[0\] lacks body"),
        ({"steps": [{"ref": "1", "body": {"kind": "Dance"}}]}, r"plan.steps\[0\].body is of an unknown kind 'Dance'"),
        ({"steps": [{"ref": "1", "body": {"kind": "Delay", "duration": True}}]}, "duration must be a whole number"),
        ({"steps": [{"ref": "1", "body": {"kind": "Clone", "uri": "u", "auth": "x"}}]}, "auth must be one of basic"),
        ({"queue_timeout": "x"}, "queue_timeout must be a whole number"),
    ],
)
def test_what_is_no_plan_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadPlan, match=words):
        decode({"v": 1, "workflow": "p", "steps": [], **change})


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_bytes_that_are_no_plan_are_refused(data: bytes) -> None:
    with pytest.raises(BadPlan):
        from_bytes(data)


def test_a_large_plan_is_read_quickly() -> None:
    steps = tuple(Step(StepRef(str(i)), Run(CONTAINER, "echo")) for i in range(1, 2001))
    data = to_bytes(Plan("large", steps))
    assert len(from_bytes(data).steps) == 2000
    assert least(lambda: from_bytes(data)) < 2


def test_describe_lists_every_step_with_its_depth() -> None:
    lines = describe(PLAN)
    assert [(line.ref, line.name, line.kind, line.depth) for line in lines[:3]] == [
        ("1", "All of them", "group", 0),
        ("1.1", "run", "run", 1),
        ("1.2", "delay", "delay", 1),
    ]
    assert len(lines) == 1 + len(OPERATIONS)


def test_required_fields_stay_required() -> None:
    assert [f.name for f in fields(Plan) if f.default is f.default_factory is MISSING] == ["workflow", "steps"]
