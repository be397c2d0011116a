"""Whatever a file says, the answer is documents or problems: no crash, no hang."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from workflow.lint import lint
from workflow.model import Node, Parameter, Step, examine_documents
from workflow.model.documents import Workflow
from workflow.model.node import alias_of
from workflow.model.shape import Loose, Many, Named, Part, Shape, Text, shapes_of
from workflow.problems import InvalidDocument, Position
from workflow.resolve import dump, resolve

PIECES = [*"a1-: \n{}[],|>#", "  ", "&a", "*a", "<<", '"', "'", "!t", "---"]
GOOD = ["x", "{{ config.a }}", "1h", "{{ index }}", "config.a", "é", "{{ list(1,2) }}", "a{ {{ env.X }}", "1"]
TEXTS = [*GOOD, "{{ config.", "{{ index }}{{", "a && (", "", "\t"]

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from(TEXTS))
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(TEXTS), inner, max_size=3)
)


def likely(model: type[Node], depth: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    """Data for a part of a document: mostly the right names, mostly the right shapes."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    shapes = shapes_of(model)
    for name in model.model_fields:
        value = likely_value(shapes[name].shape if name in shapes else None, model.model_fields[name].annotation, depth)
        fields[alias_of(model, name)] = mostly(value)
    names = st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: fields[name] for name in chosen}))


def mostly(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 30).flatmap(lambda number: value if number else anything)


def likely_value(shape: Shape | None, annotation: Any, depth: int) -> st.SearchStrategy[Any]:
    match shape:
        case Part(inner) if depth < 4:
            return likely(inner, depth + 1)
        case Many(Part(inner)) if depth < 4:
            return st.lists(likely(inner, depth + 1), max_size=2)
        case Named(Part(inner)) if depth < 4:
            return st.dictionaries(st.sampled_from(["a", "b"]), likely(inner, depth + 1), max_size=2)
        case Many():
            return st.lists(st.sampled_from(GOOD), max_size=2)
        case Named() | Loose():
            return st.dictionaries(st.sampled_from(GOOD), st.sampled_from(GOOD), max_size=2)
        case Text():
            return st.sampled_from(GOOD)
        case _ if "bool" in str(annotation):
            return st.booleans()
        case _ if "int" in str(annotation):
            return st.integers(1, 9)
        case _:
            return st.sampled_from(["x", "a", "string", "1m"])


def document(spec: Any) -> str:
    kind = {"apiVersion": "testworkflows.testkube.io/v1", "kind": "TestWorkflow", "metadata": {"name": "w"}}
    return json.dumps({**kind, "spec": spec})


def answered(text: str | bytes) -> None:
    parsed = examine_documents(text, "w.yaml")
    assert all(isinstance(problem.position, Position) and problem.message for problem in parsed.problems)
    event(f"{len(parsed.workflows)} right workflows")
    for workflow in parsed.workflows:
        lint(workflow, honours_images=False, agents={})
        try:
            resolved = resolve(workflow, {}, {"a": "x"})
        except InvalidDocument as refused:
            assert refused.problems
        else:
            again = examine_documents(json.dumps(dump(resolved)), "again.json")
            assert again.workflows == (resolved,), again.problems


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_any_text(text: str) -> None:
    answered(text)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    answered(data)


@given(anything)
def test_any_data(data: Any) -> None:
    answered(json.dumps(data))
    answered(document(data))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=200)
@given(st.lists(likely(Step), max_size=3), st.dictionaries(st.sampled_from(["a", "b"]), likely(Parameter), max_size=2))
def test_any_steps_and_parameters(steps: list[Any], config: dict[str, Any]) -> None:
    answered(document({"steps": steps, "config": config}))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=100)
@given(likely(Workflow))
def test_any_workflow(data: dict[str, Any]) -> None:
    answered(json.dumps({**json.loads(document({})), **data}))
