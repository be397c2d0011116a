"""What an agent needs in a cluster, and that ``deploy/`` says the same."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import yaml

from agent.executors.kubernetes.opening import read_cluster
from muster.install import Install, agent_manifests
from muster.install.manifests import CONDUCTOR_PORT, cluster_file
from muster.install.rights import RULES

BASE = Path(__file__).parents[3] / "deploy" / "kubernetes" / "agent" / "agent.yaml"
RUNNER = Install("runner", "muster", "ghcr.io/muster/muster:latest")
GUARDED = Install(
    "prod-runner",
    "muster",
    "muster:1",
    invitation="mj1.secret",
    storage=False,
    pull_policy="Never",
    policy={"images": ["registry.example.com/*"], "most": {"memory": "4Gi"}, "root": False},
    settings={"tools": "init"},
)


def kinds(install: Install) -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in agent_manifests(install)}


def test_the_kustomize_base_is_what_install_makes() -> None:
    text = yaml.safe_dump_all(agent_manifests(RUNNER), sort_keys=False, width=110)
    if os.environ.get("MUSTER_GOLDEN") == "write":
        BASE.write_text(text)
    assert list(yaml.safe_load_all(BASE.read_text())) == list(yaml.safe_load_all(text))


def test_the_invitation_stands_in_its_secret_alone() -> None:
    holding = [each["kind"] for each in agent_manifests(GUARDED) if "mj1.secret" in yaml.safe_dump(each)]
    assert holding == ["Secret"]


def test_the_agent_reads_the_file_that_install_writes() -> None:
    text = cluster_file(GUARDED)
    assert tomllib.loads(text)["policy"]["images"] == ["registry.example.com/*"]
    cluster = read_cluster(text, "prod-runner", "1", 3600)
    assert (cluster.settings.namespace, cluster.settings.image, cluster.settings.tools.value) == (
        "muster",
        "muster:1",
        "init",
    )
    assert cluster.policy.images == ("registry.example.com/*",) and cluster.policy.most == {"memory": "4Gi"}
    assert cluster.settings.port == CONDUCTOR_PORT


def test_an_agent_has_no_right_outside_of_its_namespace() -> None:
    assert {each["kind"] for each in agent_manifests(RUNNER)} & {"ClusterRole", "ClusterRoleBinding"} == set()
    assert all("*" not in (*rule["verbs"], *rule["resources"]) for rule in RULES)


def test_the_agents_pod_is_as_tight_as_its_executions() -> None:
    spec = kinds(RUNNER)["Deployment"]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    for container in (*spec["containers"], *spec["initContainers"]):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True and context["capabilities"] == {"drop": ["ALL"]}
