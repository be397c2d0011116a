"""The charts say what ``muster agents install`` and the kustomize bases say, rendered by helm itself."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml

from muster.install.guard import STRICT
from muster.install.manifests import Install, agent_manifests
from tests.deploy.rendering import DEPLOY, By, by_name, charted, kustomized, refused

AGENT, PLANE = "muster-agent", "muster-control-plane"
RUNNER = Install("runner", "muster", "muster:0.1.0")
_MANAGED = "app.kubernetes.io/managed-by"


def alike(rendered: By) -> By:
    """Without what each tool says of itself: who manages, the namespace's own object, marks of the configuration."""
    found = copy.deepcopy({key: each for key, each in rendered.items() if each["kind"] != "Namespace"})
    for each in found.values():
        for metadata in (each["metadata"], (each.get("spec") or {}).get("template", {}).get("metadata", {})):
            (metadata.get("labels") or {}).pop(_MANAGED, None)
            metadata.pop("annotations", None)
    return found


def test_the_agents_chart_is_what_install_makes() -> None:
    rendered = charted(AGENT, "any", "agent", {"name": "runner"})
    made = by_name(agent_manifests(RUNNER))
    assert alike(rendered) == alike(made)
    key = ("Deployment", RUNNER.title)  # a changed file starts a new pod, by the same mark
    marks = [each[key]["spec"]["template"]["metadata"]["annotations"] for each in (rendered, made)]
    assert marks[0] == marks[1] != {}


def test_the_agents_chart_with_everything_is_what_install_makes() -> None:
    everything = {
        "name": "runner",
        "image": {"repository": "r/m", "tag": "2", "pullPolicy": "Never", "pullSecrets": ["one", "two"]},
        "policy": 'images = ["r/*"]\n',
        "settings": 'profile = "image"\n\n[patience]\npull = 30\n',
        "nodeSelector": {},
    }
    install = Install(
        "runner",
        "muster",
        "r/m:2",
        pull_policy="Never",
        pull_secrets=("one", "two"),
        policy='images = ["r/*"]\n',
        settings='profile = "image"\n\n[patience]\npull = 30\n',
    )
    assert alike(charted(AGENT, "any", "agent-with-everything", everything)) == alike(by_name(agent_manifests(install)))


def test_the_control_planes_chart_is_its_base() -> None:
    assert alike(charted(PLANE, "muster", "control-plane", {})) == alike(kustomized("control-plane"))


def test_the_control_plane_for_agents_of_other_clusters() -> None:
    values = {
        "advertise": "muster.example.com",
        "names": ["10.0.0.7"],
        "web": {"names": ["muster.example.com"]},
        "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
        "settings": {"lost_after": "600"},
        "storage": {"size": "5Gi", "class": "fast"},
    }
    rendered = charted(PLANE, "muster", "control-plane-with-everything", values)
    settings = rendered["ConfigMap", PLANE]["data"]
    assert (settings["MUSTER_ADVERTISE"], settings["MUSTER_LOST_AFTER"]) == ("muster.example.com", "600")
    assert rendered["Service", PLANE]["spec"]["type"] == "LoadBalancer"
    (claim,) = rendered["StatefulSet", PLANE]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert all(isinstance(value, str) for value in settings.values())


def test_the_policy_of_the_chart_is_the_strict_one() -> None:
    assert (DEPLOY / "helm" / AGENT / "files" / "policy.toml").read_text() == STRICT


@pytest.mark.parametrize(
    ("chart", "values", "said"),
    [
        (AGENT, {}, "name"),
        (AGENT, {"name": "Not_A_Name"}, "name"),
        (AGENT, {"name": "a", "imgae": {"tag": "1"}}, "imgae"),
        (AGENT, {"name": "a", "image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
        (PLANE, {"service": {"type": "External"}}, "service.type"),
        (PLANE, {"storage": {"size": "much"}}, "storage.size"),
        (PLANE, {"advertise": "a b"}, "advertise"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(chart: str, values: dict[str, Any], said: str) -> None:
    words = refused(chart, values)
    assert said in words or f"/{said.replace('.', '/')}'" in words  # helm 3 and helm 4 spell paths differently


@pytest.mark.parametrize("chart", [AGENT, PLANE])
def test_the_schema_knows_every_value(chart: str) -> None:
    folder = DEPLOY / "helm" / chart
    values = yaml.safe_load((folder / "values.yaml").read_text())
    schema = json.loads((folder / "values.schema.json").read_text())
    assert set(schema["properties"]) - {"global"} == set(values)
    for name, part in schema["properties"].items():
        if part.get("additionalProperties") is False:
            assert set(part["properties"]) == set(values[name])
