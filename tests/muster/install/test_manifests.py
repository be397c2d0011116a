"""What an agent needs in a cluster, and that ``deploy/`` says the same."""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.executors.kubernetes.opening import read_cluster
from agent.executors.kubernetes.policy import Policy, read_policy
from muster.install.guard import STRICT, checked, checked_settings
from muster.install.manifests import CONDUCTOR_PORT, Install, agent_manifests, cluster_file, mark
from muster.install.printing import PLACEHOLDER, as_json, as_yaml, redacted
from muster.install.problems import InstallProblem
from muster.install.rights import RULES, rules

BASE = Path(__file__).parents[3] / "deploy" / "kubernetes" / "agent" / "agent.yaml"
RUNNER = Install("runner", "muster", "muster:0.1.0")
GUARDED = Install(
    "prod-runner",
    "muster",
    "muster:1",
    invitation="mj1.secret",
    invited=mark("mj1.secret"),
    pull_policy="Never",
    pull_secrets=("registry",),
    policy='images = ["registry.example.com/*"]\nroot = false\n[most]\nmemory = "4Gi"\n',
    settings='tools = "init"\n[patience]\npull = 30\n',
)


def kinds(install: Install) -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in agent_manifests(install)}


def test_the_kustomize_base_is_what_install_makes() -> None:
    text = as_yaml(agent_manifests(RUNNER))
    if os.environ.get("MUSTER_GOLDEN") == "write":
        BASE.write_text(text)
    assert BASE.read_text() == text
    assert list(yaml.safe_load_all(text)) == list(agent_manifests(RUNNER))


def test_the_invitation_stands_in_its_secret_alone_and_is_not_shown() -> None:
    (holding,) = [each for each in agent_manifests(GUARDED) if "bWoxLnNlY3JldA==" in as_yaml([each])]
    assert holding["kind"] == "Secret"
    shown = as_yaml(redacted(agent_manifests(GUARDED))) + as_json(redacted(agent_manifests(GUARDED)))
    assert "mj1.secret" not in shown and "bWoxLnNlY3JldA==" not in shown and PLACEHOLDER in shown
    assert "mj1.secret" not in repr(GUARDED)


def test_the_agent_reads_the_files_that_install_writes() -> None:
    cluster = read_cluster(cluster_file(GUARDED), "prod-runner", "1", 3600, GUARDED.policy)
    settings = cluster.settings
    assert (settings.namespace, settings.image, settings.tools.value, settings.pull_policy) == (
        "muster",
        "muster:1",
        "init",
        "Never",
    )
    assert settings.patience.pull == 30
    assert settings.pod == {"imagePullSecrets": [{"name": "registry"}]}
    assert cluster.identity == GUARDED.title
    assert cluster.policy.images == ("registry.example.com/*",) and cluster.policy.most == {"memory": "4Gi"}
    assert settings.port == CONDUCTOR_PORT


def test_who_writes_a_table_of_pods_says_how_they_are_pulled() -> None:
    own = replace(GUARDED, settings='[pod]\nnodeSelector = { disk = "fast" }\n')
    assert read_cluster(cluster_file(own), "a", "1", 1).settings.pod == {"nodeSelector": {"disk": "fast"}}
    assert kinds(own)["Deployment"]["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "registry"}]


@pytest.mark.parametrize("text", ["x = [", 'namespace = "other"', 'pull-policy = "Always"', "[policy]\nroot = true"])
def test_settings_that_installing_says_itself_are_refused(text: str) -> None:
    with pytest.raises(InstallProblem, match=r"s\.toml"):
        checked_settings(text, "s.toml")


def test_the_policy_that_is_installed_says_every_rule_as_strict_as_it_is() -> None:
    written = tomllib.loads(STRICT)
    assert read_policy(written) == Policy()
    unsaid = {"labels", "most"}  # tables that hold nothing by default, shown as examples
    assert {*written, *unsaid} == set(Policy.__dataclass_fields__)
    assert all(f"# {name} = " in STRICT for name in unsaid)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("images = [", "p.toml is no TOML"),
        ("imges = []", "did you mean images?"),
        ("zzz = 1", "rules are workflows"),
    ],
)
def test_a_policy_that_no_agent_could_read_is_refused_before(text: str, said: str) -> None:
    with pytest.raises(InstallProblem, match=said.replace("?", r"\?")):
        checked(text, "p.toml")


def test_a_policy_that_names_rules_by_dashes_is_taken() -> None:
    assert checked('service-accounts = ["x"]', "p.toml") == 'service-accounts = ["x"]'


def test_an_agent_has_no_right_outside_of_its_namespace_and_changes_one_object_alone() -> None:
    assert {each["kind"] for each in agent_manifests(RUNNER)} & {"ClusterRole", "ClusterRoleBinding"} == set()
    assert all("*" not in (*rule["verbs"], *rule["resources"]) for rule in rules("x"))
    assert [rule for rule in rules("x") if {"patch", "update"} & set(rule["verbs"])] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["x"], "verbs": ["patch"]}
    ]
    assert not [rule for rule in RULES if {"configmaps", "roles", "serviceaccounts"} & set(rule["resources"])]


def test_the_agents_pod_is_as_tight_as_its_executions() -> None:
    spec = kinds(RUNNER)["Deployment"]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    (container,) = spec["containers"]
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"] is True and context["capabilities"] == {"drop": ["ALL"]}


def test_a_new_invitation_or_another_file_starts_a_new_pod() -> None:
    def template(install: Install) -> object:
        return kinds(install)["Deployment"]["spec"]["template"]

    again = Install("runner", "muster", RUNNER.image, invitation="mj1.b", invited=mark("mj1.b"))
    other = Install("runner", "muster", RUNNER.image, policy='images = ["x"]\n')
    assert template(RUNNER) == template(Install("runner", "muster", RUNNER.image))
    assert len({str(template(each)) for each in (RUNNER, again, other)}) == 3
