"""What a cluster refuses, whatever the control plane says: each with the rule's name."""

from __future__ import annotations

from typing import Any

import pytest

from agent.executors.kubernetes.guard import held, refusals
from agent.executors.kubernetes.policy import BadPolicy, Policy, read_policy
from tests.agent.executors.kubernetes.test_manifest import SETTINGS, made, run
from tests.agent.plans import plan, shell, step
from workflow.plan.nodes import Container, Json, Plan, Run

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
        (with_pod(hostNetwork=True), "host_namespaces: hostNetwork"),
        (with_pod(priorityClassName="system-node-critical"), "priority_classes: system-node-critical"),
        (with_pod(securityContext={"runAsUser": 0}), "root: pod"),
        (with_pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}), "sysctls: kernel.msgmax"),
        (with_pod(securityContext={"seccompProfile": {"type": "Unconfined"}}), "unconfined: pod seccompProfile"),
        (with_pod(securityContext={"seLinuxOptions": {"level": "s0"}}), "unconfined: pod seLinuxOptions"),
        (with_pod(securityContext={"windowsOptions": {"hostProcess": True}}), "unconfined: pod hostProcess"),
        (
            with_pod(volumes=[{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]),
            "volumes: projected secrets and tokens",
        ),
        (
            with_pod(volumes=[{"name": "t", "projected": {"sources": [{"podCertificate": {"signerName": "x"}}]}}]),
            "volumes: projected secrets and tokens",
        ),
        (with_pod(volumes=[{"name": "s", "secret": {"secretName": "muster-other-1"}}]), "secrets: muster-other-1"),
        (with_pod(volumes=[{"name": "c", "configMap": {"name": "muster-agent-x"}}]), "config_maps: muster-agent-x"),
        (
            with_pod(volumes=[{"name": "c", "projected": {"sources": [{"configMap": {"name": "muster-a"}}]}}]),
            "config_maps: muster-a",
        ),
        (
            with_pod(volumes=[{"name": "p", "persistentVolumeClaim": {"claimName": "muster-other-1-data"}}]),
            "claims: muster-other-1-data",
        ),
        (
            with_pod(volumes=[{"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "muster-a"}}}]),
            "secrets: muster-a",
        ),
        (with_pod(imagePullSecrets=[{"name": "muster-agent-x"}]), "secrets: muster-agent-x"),
        (
            with_pod(volumes=[{"name": "muster-own", "emptyDir": {}}]),
            "volumes: names that begin with muster- are not a workflow's",
        ),
        (
            plan(run("a:1", volume_mounts=({"name": "muster-terms", "mountPath": "/x"},))),
            "volumes: step 1 mounts muster-terms",
        ),
        (
            with_pod(labels={"app.kubernetes.io/name": "muster-agent"}),
            "pod.labels: app.kubernetes.io/name is not a workflow's",
        ),
        (with_pod(labels={"pod-template-hash": "x"}), "pod.labels: pod-template-hash is not a workflow's"),
        (
            with_pod(annotations={"muster.dev/execution": "y"}),
            "pod.annotations: muster.dev/execution is not a workflow's",
        ),
        (plan(Run(Container(security_context={"privileged": True}), "true")), "privileged: step-1"),
        (plan(run("a:1", security_context={"procMount": "Unmasked"})), "unconfined: step-1 procMount"),
        (
            plan(run("a:1", security_context={"appArmorProfile": {"type": "Unconfined"}})),
            "unconfined: step-1 appArmorProfile",
        ),
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
        ({"labels": {"origin": "ma*"}}, ["labels: origin=ma* is wanted"]),
        ({"most": {"memory": "16Mi"}}, ["most: memory 64Mi is more than 16Mi"]),
    ],
)
def test_rules_that_are_written(rules: dict[str, object], refused: list[str]) -> None:
    assert list(refusals(made(plan(PLAIN)), plan(PLAIN), read_policy(rules), SETTINGS)) == refused


@pytest.mark.parametrize(
    ("of", "rules", "refused"),
    [
        (with_pod(priorityClassName="low"), {"priority_classes": ["low"]}, []),
        (with_pod(volumes=[{"name": "p", "persistentVolumeClaim": {"claimName": "cache"}}]), {"claims": ["c*"]}, []),
        (
            with_pod(volumes=[{"name": "p", "persistentVolumeClaim": {"claimName": "cache"}}]),
            {"claims": []},
            ["claims: cache"],
        ),
        (with_pod(securityContext={"sysctls": [{"name": "net.x", "value": "1"}]}), {"sysctls": ["net.x"]}, []),
        (with_pod(securityContext={"seccompProfile": {"type": "Unconfined"}}), {"unconfined": True}, []),
        (
            with_pod(volumes=[{"name": "i", "image": {"reference": "evil.example.com/x"}}]),
            {"images": ["registry.example.com/*"]},
            ["images: evil.example.com/x"],
        ),
        (
            Plan("test", (step(1, PLAIN),), pvcs={"work": {"resources": {"requests": {"storage": "5Gi"}}}}),
            {"most": {"storage": "1Gi"}},
            ["most: storage 5Gi is more than 1Gi"],
        ),
        (Plan("test", (step(1, PLAIN),), labels={"origin": "main"}), {"labels": {"origin": "ma*"}}, []),
    ],
)
def test_rules_about_what_a_workflow_asks_for(of: Plan, rules: dict[str, object], refused: list[str]) -> None:
    assert list(refusals(made(of), of, read_policy(rules), SETTINGS)) == refused


def test_a_workflow_may_mount_its_own_claims() -> None:
    pod: dict[str, Json] = {"volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "{{ pvcs.work.name }}"}}]}
    of = Plan("test", (step(1, PLAIN),), pvcs={"work": {}}, pod=pod)
    assert list(refusals(made(of), of, Policy(), SETTINGS)) == []


def test_a_ceiling_is_the_limit_of_who_sets_none() -> None:
    bounded = plan(run("a:1"), run("b:1", resources={"limits": {"memory": "1Gi", "cpu": "1"}}))
    policy = read_policy({"most": {"memory": "4Gi", "cpu": "2", "storage": "1Gi"}})
    spec: Any = held(made(bounded), policy).pod["spec"]
    resources = {each["name"]: each["resources"] for each in spec["containers"]}
    assert resources["step-1"] == {"limits": {"memory": "4Gi", "cpu": "2"}, "requests": {"memory": "0", "cpu": "0"}}
    assert resources["step-2"]["limits"] == {"memory": "1Gi", "cpu": "1"}
    assert "limits" not in resources["conductor"]
    assert held(made(bounded), Policy()) == made(bounded)


@pytest.mark.parametrize(
    "written",
    [
        {"imagse": []},
        {"root": "yes"},
        {"images": "x"},
        {"most": {"memory": "much"}},
        {"most": []},
        {"labels": {"a": 1}},
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(BadPolicy):
        read_policy(written)


def test_names_may_be_written_with_dashes() -> None:
    assert read_policy({"service-accounts": ["x"]}).service_accounts == ("x",)
