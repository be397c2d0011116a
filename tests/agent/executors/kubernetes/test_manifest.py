"""Plans and the pods they become: tables in ``golden``, which ``MUSTER_GOLDEN=write`` writes anew, to be read."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from agent.conductor.pod.script import GATE
from agent.conductor.pod.terms import PodTerms
from agent.executors.kubernetes.keys import Pair
from agent.executors.kubernetes.manifest import CannotMake, Manifests, Order, manifests
from agent.executors.kubernetes.settings import Profile, Settings, Tools
from tests.agent.plans import plan, shell, step
from workflow.identifiers import SECOND, Attempt, ExecutionId, StepRef
from workflow.plan.encode import to_bytes
from workflow.plan.nodes import PROBE, Clone, Container, EnvVar, File, Group, Json, Plan, Run, Step, WriteFiles

GOLDEN = Path(__file__).parent / "golden"
PAIR = Pair(b"ca", b"conductor", b"agent")
SETTINGS = Settings("dev-runner", "tests", "muster:1")


def run(image: str, script: str = "true", **more: object) -> Run:
    """A script in a container."""
    return Run(Container(image=image, **more), script)  # type: ignore[arg-type]


def made(of: Plan, settings: Settings = SETTINGS, *, service: bool = False) -> Manifests:
    """What is created for it."""
    order = Order(of, to_bytes(of), b"bundle", PAIR, service)
    return manifests(order, Attempt(ExecutionId("exec-1"), 2), settings)


def containers(of: Manifests) -> dict[str, Any]:
    """The pod's containers by name."""
    spec: Any = of.pod["spec"]
    return {each["name"]: each for each in spec["containers"]}


LIMITS: dict[str, Json] = {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "250m"}}

PLANS: dict[str, tuple[Plan, Settings, bool]] = {
    "one-step": (plan(shell("echo hello")), SETTINGS, False),
    "sharing": (
        plan(
            run("a:1"),
            run("b:1", resources=LIMITS),
            run("a:1"),
            step(4, run("a:1"), condition="always"),
            Step(
                StepRef("5"),
                Group((Step(StepRef("5.1"), run("a:1")), Step(StepRef("5.2"), run("a:1")))),
                condition="failed",
            ),
            run("a:1", security_context={"runAsUser": "0"}),
        ),
        SETTINGS,
        False,
    ),
    "everything": (
        Plan(
            "test",
            (
                step(1, Clone("https://example.com/x.git", mount_path="/repo")),
                step(2, WriteFiles((File("/etc/app.conf", "port=1"), File("/data/x", "y")))),
                step(
                    3,
                    run(
                        "c:1",
                        image_pull_policy="Always",
                        env=(
                            EnvVar("W", value_from={"secretKeyRef": {"name": "pass", "key": "word"}}),
                            EnvVar("N", value_from={"fieldRef": {"fieldPath": "spec.nodeName"}}),
                            EnvVar("M", value_from={"resourceFieldRef": {"resource": "limits.memory"}}),
                        ),
                        env_from=({"configMapRef": {"name": "colours"}},),
                        resources=LIMITS,
                        volume_mounts=({"name": "cache", "mountPath": "cache"},),
                    ),
                ),
            ),
            pod={
                "serviceAccountName": "tester",
                "imagePullSecrets": [{"name": "registry"}],
                "nodeSelector": {"disk": "ssd"},
                "labels": {"team": "x", "muster.dev/agent": "somebody-else"},
                "annotations": {"note": "y"},
                "volumes": [{"name": "cache", "persistentVolumeClaim": {"claimName": "{{ pvcs.cache.name }}"}}],
                "tolerations": [{"operator": "Exists"}],
                "affinity": {"nodeAffinity": {}},
                "securityContext": {"runAsUser": "2000", "runAsGroup": 3000},
                "dnsPolicy": "Default",
                "priorityClassName": "low",
            },
            job={"labels": {"job": "z"}},
            pvcs={"cache": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
            active_deadline=90 * SECOND,
        ),
        SETTINGS,
        False,
    ),
    "service": (
        Plan("test", (step(1, run("db:1")),), annotations={PROBE: json.dumps({"tcpSocket": {"port": 5432}})}),
        SETTINGS,
        True,
    ),
    "tools-as-a-volume": (
        plan(run("a:1"), run("b:1")),
        Settings("dev-runner", "tests", "muster:1", tools=Tools.IMAGE, pull_policy="IfNotPresent"),
        False,
    ),
    "init-and-image-user": (
        plan(run("a:1")),
        Settings("dev-runner", "tests", "muster:1", tools=Tools.INIT, profile=Profile.IMAGE, pull_policy="Never"),
        False,
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_becomes_this_pod(name: str) -> None:
    of, settings, service = PLANS[name]
    result = made(of, settings, service=service)
    data: Any = result.secret["data"]
    terms = json.loads(b64decode(data["terms.json"]))
    pod = _without_the_gate(result.pod)
    shown = {"namespace": result.namespace, "pod": pod, "claims": list(result.claims), "terms": terms}
    text = yaml.safe_dump(json.loads(json.dumps(shown)), sort_keys=False, width=110)
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("MUSTER_GOLDEN") == "write":
        path.write_text(text)
    assert yaml.safe_load(path.read_text()) == yaml.safe_load(text)


def _without_the_gate(pod: dict[str, Json]) -> Json:
    """The pod with a word where the gate's script stands, which is a matter of its own."""
    shown: Any = json.loads(json.dumps(pod))
    for container in shown["spec"]["containers"][1:]:
        assert container["command"][3] == GATE.replace("$", "$$")
        container["command"][3] = "(the gate)"
    return cast("Json", shown)


def test_the_same_plan_becomes_the_same_pod() -> None:
    of = PLANS["everything"][0]
    assert made(of).pod == made(of).pod


def test_a_step_that_can_run_after_a_failure_shares_with_none_that_may_fail() -> None:
    of = made(PLANS["sharing"][0])
    data: Any = of.secret["data"]
    where = PodTerms.from_json(b64decode(data["terms.json"]).decode()).containers
    assert where["1"] == where["3"] == "step-1"
    assert len({where["1"], where["2"], where["4"], where["5.1"], where["6"]}) == 5
    assert where["5.1"] == where["5.2"]


def test_a_container_whose_volume_nobody_defines_is_left_out_and_told_of() -> None:
    env = (EnvVar("MEMORY", value_from={"resourceFieldRef": {"resource": "limits.memory"}}),)
    mounting = Run(Container(image="a:1", volume_mounts=({"name": "none", "mountPath": "/x"},), env=env), "ls")
    of = made(plan(run("a:1"), mounting))
    data: Any = of.secret["data"]
    terms = PodTerms.from_json(b64decode(data["terms.json"]).decode())
    assert sorted(containers(of)) == ["conductor", "step-1"]
    assert terms.containers["2"] == "step-2"
    assert terms.impossible == {"step-2": "it mounts volume 'none' at /x, which pod.volumes does not define"}
    assert "/x" not in terms.shared


def test_the_pod_asks_once_for_its_largest_step() -> None:
    of = containers(made(PLANS["sharing"][0]))
    assert of["conductor"]["resources"]["requests"] == {"cpu": "250m", "memory": "1Gi"}
    assert of["step-2"]["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi"}
    assert of["step-2"]["resources"]["requests"] == {"cpu": "0", "memory": "0"}


def test_no_value_of_a_secret_and_no_key_stands_in_the_pod() -> None:
    of = made(PLANS["everything"][0])
    text = json.dumps(of.pod)
    assert "agent.pem" not in text and '"bundle"' not in text
    for name, container in containers(of).items():
        for mount in container["volumeMounts"]:
            assert name == "conductor" or not mount["mountPath"].startswith(("/muster-terms", "/muster-values"))


def test_restricted_holds_for_every_container_by_default() -> None:
    for container in containers(made(PLANS["one-step"][0])).values():
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["runAsNonRoot"] is True and context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_a_token_is_mounted_only_where_an_account_is_named() -> None:
    plain: Any = made(PLANS["one-step"][0]).pod["spec"]
    named: Any = made(PLANS["everything"][0]).pod["spec"]
    assert (plain["automountServiceAccountToken"], named["automountServiceAccountToken"]) == (False, True)


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (plan(run("{{ env.IMAGE }}")), "containers.1.image"),
        (plan(*[step(n, run("a:1"), condition="always") for n in range(1, 60)]), "59 containers"),
        (plan(run("a:1", resources={"limits": {"memory": "much"}})), "'much' is no quantity"),
    ],
)
def test_what_no_pod_can_honour_is_said(of: Plan, words: str) -> None:
    with pytest.raises(CannotMake, match=words):
        made(of)


def test_a_bundle_too_large_for_a_secret_is_refused() -> None:
    of = plan(shell("echo"))
    with pytest.raises(CannotMake, match="too large"):
        manifests(Order(of, to_bytes(of), os.urandom(1_100_000), PAIR), Attempt(ExecutionId("e"), 1), SETTINGS)


def test_sensitive_values_lie_in_the_attempts_secret_that_its_conductor_alone_mounts() -> None:
    of = plan(run("a:1", 'echo {{ secret("muster.dev/config","pin") }}'))
    order = Order(of, to_bytes(of), b"bundle", PAIR, secrets={"pin": "4711-0815"})
    made = manifests(order, Attempt(ExecutionId("exec-1"), 2), SETTINGS)
    data: Any = made.secret["data"]
    assert b64decode(data["entrusted"]) == b'{"pin": "4711-0815"}'
    assert "4711-0815" not in repr(made.pod) and "4711-0815" not in repr(order)
    spec: Any = made.pod["spec"]
    (volume,) = [each["name"] for each in spec["volumes"] if "entrusted" in repr(each)]
    mounting = [each["name"] for each in spec["containers"] if volume in repr(each["volumeMounts"])]
    assert mounting == ["conductor"]
    assert not [each for each in spec["volumes"] if "muster.dev" in repr(each)]
