"""Every way in which a plan names a Secret or a ConfigMap."""

from __future__ import annotations

from agent.conductor.wanted import wanted
from tests.agent.plans import plan
from workflow.plan.encode import to_bytes
from workflow.plan.nodes import Container, EnvVar, Json, Run


def test_references_calls_and_mounts_are_found() -> None:
    key: dict[str, Json] = {"secretKeyRef": {"name": "a", "key": "k"}}
    pod: dict[str, Json] = {
        "volumes": [
            {"name": "whole", "secret": {"secretName": "b"}},
            {"name": "some", "secret": {"secretName": "c", "items": [{"key": "x", "path": "p"}]}},
            {"name": "mixed", "projected": {"sources": [{"secret": {"name": "d"}}, {"configMap": {"name": "e"}}]}},
            {"name": "none", "emptyDir": {}},
        ]
    }
    env = (EnvVar("K", value_from=key), EnvVar("T", value='{{ secret("f", "g") }}'))
    run = Run(Container(env=env, env_from=({"configMapRef": {"name": "h"}},)), "echo")
    assert wanted(to_bytes(plan(run, pod=pod))) == {
        "secret/a/k",
        "secret/b/",
        "secret/c/x",
        "secret/d/",
        "secret/f/g",
        "config/h/",
    }
