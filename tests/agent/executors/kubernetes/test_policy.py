"""What a cluster refuses, whatever the control plane says: each with the rule's name."""

from __future__ import annotations

import pytest

from agent.executors.kubernetes.policy import BadPolicy, Policy, read_policy, refusals
from tests.agent.executors.kubernetes.test_manifest import SETTINGS, made, run
from tests.agent.plans import plan, shell, step
from workflow.plan.nodes import Json, Plan

PLAIN = run("registry.example.com/team/x:1")


def with_pod(**pod: Json) -> Plan:
    """A plan whose pod says more."""
    return Plan("test", (step(1, PLAIN),), pod=pod)


@pytest.mark.parametrize(
    ("of", "rule"),
    [
        (with_pod(volumes=[{"name": "h", "hostPath": {"path": "/"}}]), "host_paths: /"),
        (with_pod(volumes=[{"name": "h", "nfs": {"server": "x", "path": "/"}}]), "volumes: nfs"),
        (with_pod(hostPID=True), "host_namespaces: hostPID"),
        (with_pod(serviceAccountName="admin"), "service_accounts: admin"),
        (with_pod(nodeName="master"), "node_names: master"),
        (with_pod(securityContext={"runAsUser": 0}), "root: pod.securityContext.runAsUser"),
        (with_pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}), "sysctls"),
        (
            with_pod(volumes=[{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]),
            "volumes: projected secrets and tokens",
        ),
        (with_pod(volumes=[{"name": "s", "secret": {"secretName": "muster-other-1"}}]), "secrets: muster-other-1"),
        (plan(shell('echo {{ secret("muster-other-1", "agent.pem") }}')), "secrets: muster-other-1"),
        (plan(run("a:1", security_context={"privileged": True})), "privileged: step-1"),
        (plan(run("a:1", security_context={"allowPrivilegeEscalation": True})), "privileged: step-1 allows escalation"),
        (plan(run("a:1", security_context={"runAsUser": "0"})), "root: step-1"),
        (plan(run("a:1", security_context={"capabilities": {"add": ["SYS_ADMIN"]}})), "capabilities: SYS_ADMIN"),
        (Plan("test", (step(1, PLAIN),), job={"namespace": "kube-system"}), "namespaces: kube-system"),
    ],
)
def test_the_default_is_strict(of: Plan, rule: str) -> None:
    assert rule in list(refusals(made(of), of, Policy(), SETTINGS))


def test_an_ordinary_workflow_is_allowed() -> None:
    assert list(refusals(made(plan(PLAIN)), plan(PLAIN), Policy(), SETTINGS)) == []


@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        ({"images": ["registry.example.com/team/*"]}, []),
        ({"images": ["docker.io/*"]}, ["images: registry.example.com/team/x:1"]),
        ({"workflows": ["smoke-*"]}, ["workflows: test"]),
        ({"labels": {"origin": "main"}}, ["labels: origin=main is wanted"]),
        ({"secrets": ["public-*"]}, []),
        ({"most": {"memory": "16Mi"}}, ["most: memory 64Mi is more than 16Mi"]),
    ],
)
def test_rules_that_are_written(rules: dict[str, object], refused: list[str]) -> None:
    assert list(refusals(made(plan(PLAIN)), plan(PLAIN), read_policy(rules), SETTINGS)) == refused


@pytest.mark.parametrize("written", [{"imagse": []}, {"root": "yes"}, {"images": "x"}])
def test_a_policy_that_cannot_be_meant_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(BadPolicy):
        read_policy(written)


def test_names_may_be_written_with_dashes() -> None:
    assert read_policy({"service-accounts": ["x"]}).service_accounts == ("x",)
