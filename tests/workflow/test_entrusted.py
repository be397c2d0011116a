"""Which values a text names."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflow.plan.written import planned
from workflow.entrusted import SECRET_NAME, named
from workflow.model import parse_documents
from workflow.plan.build import build
from workflow.plan.encode import to_bytes
from workflow.resolve import HandedDown, resolve_with_secrets

DOCUMENT = """
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: w}
spec:
  config: {password: {sensitive: true}, pin: {type: integer, sensitive: true}, unused: {sensitive: true, default: x}}
  steps: [{shell: "SCRIPT"}]
"""


@pytest.mark.parametrize(
    ("script", "keys"),
    [
        ("{{ config.password }}", {"password"}),
        ("{{ config.pin + 1 }} {{ upper(config.password) }}", {"pin", "password"}),
        ("{{ map(list(1, 2), 'config.password') }}", {"password"}),
        ("{{ config.pin }}", {"pin"}),
        ("echo nothing", set()),
        ("secret(muster.dev/config, password)", set()),
    ],
)
def test_a_plan_names_what_its_texts_use(script: str, keys: set[str]) -> None:
    (workflow,) = parse_documents(DOCUMENT.replace("SCRIPT", script), "w.yaml").workflows
    resolution = resolve_with_secrets(workflow, {}, {"password": "hunter2", "pin": 1234})
    assert named(to_bytes(build(resolution.workflow)).decode()) == keys


@given(st.sets(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}(\.[0-9])?", fullmatch=True)), st.integers(0, 3))
def test_names_are_found_however_deep_their_quotes_are_escaped(keys: set[str], depth: int) -> None:
    text = " ".join(f'secret("{SECRET_NAME}", "{key}") secret("api", "no{key}")' for key in sorted(keys))
    for _ in range(depth):
        text = json.dumps(text)
    assert named(text) == keys


def test_a_plan_without_sensitive_parameters_names_nothing() -> None:
    plan = planned('steps: [{shell: \'echo {{ secret("api", "token") }}\'}]')
    assert named(to_bytes(plan).decode()) == frozenset()


def test_what_is_handed_down_is_kept_aside_whatever_the_workflow_declares() -> None:
    text = DOCUMENT.replace("password: {sensitive: true}", "password: {}").replace("SCRIPT", "{{ config.password }}")
    (workflow,) = parse_documents(text, "w.yaml").workflows
    handed = HandedDown({"password": "hunter2"}, {"unused": '{{ secret("api","token") }}'})
    resolution = resolve_with_secrets(workflow, {}, {"pin": 1}, handed=handed)
    assert resolution.secrets == {"password": "hunter2", "pin": "1"}
    assert "hunter2" not in repr(resolution)
