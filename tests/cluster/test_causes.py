"""What a cluster does to a pod, told in the cluster's own words: refused, never started, evicted, out of time, lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from agent.executors.kubernetes.client import credentials, session
from agent.executors.kubernetes.naming import pod_name
from agent.executors.kubernetes.settings import Patience
from tests.agent.plans import plan, step
from tests.cluster.conftest import BUSYBOX, PYTHON, STARTED, ClusterBench, bench_on
from tests.cluster.test_agent import gone
from tests.cluster.test_steps import ends, shell
from tests.cluster.test_truth import declining, lost
from tests.fakes.control import Held
from workflow.identifiers import Attempt, StepRef
from workflow.journal import Stop
from workflow.plan.nodes import Container, Json, Plan, Run, Step
from workflow.session import Noticed
from workflow.states import ExecutionState, StepStatus

SECCOMP = {"type": "RuntimeDefault"}
UNREACHABLE = "node.kubernetes.io/unreachable"
LEAVES: dict[str, Json] = {
    "tolerations": [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
        for key in (UNREACHABLE, "node.kubernetes.io/not-ready")
    ]
}
"""A pod that is taken away a second after its node was lost."""


async def why(bench: ClusterBench, attempt: Attempt, seconds: float = 2 * STARTED) -> str:
    """Why it is lost; then nothing of it is left."""
    await bench.control.until(lambda: bool(lost(bench, attempt)), seconds)
    await gone(bench)
    return lost(bench, attempt)


async def noticed(bench: ClusterBench, attempt: Attempt, words: str) -> None:
    """Wait until the agent tells these words of the cluster."""

    await bench.control.until(lambda: any(words in note for each in _notes(bench, attempt) for note in each), STARTED)


def _notes(bench: ClusterBench, attempt: Attempt) -> list[tuple[str, ...]]:
    """What the agent has told of the cluster's words, each time."""
    return [said.notes for said in bench.control.said if isinstance(said, Noticed) and said.attempt == attempt]


async def up(bench: ClusterBench, work: Plan) -> tuple[Attempt, Held]:
    """An execution whose first step has printed ``up``."""
    attempt, held = await bench.submit(work)
    await bench.control.until(lambda: b"up" in held.output(), STARTED)
    return attempt, held


async def patched(bench: ClusterBench, path: str, body: Mapping[str, object]) -> None:
    """Change an object, as another part of the cluster would."""
    client = bench.calls.client
    headers = {**await credentials(client), "Content-Type": "application/merge-patch+json"}
    url = f"{client.configuration.host}{path}"
    async with session(client).patch(url, headers=headers, json=body) as answer:
        assert answer.status < 300, await answer.text()


async def test_a_conductors_image_that_cannot_be_pulled(kubeconfig: str, namespace: str) -> None:
    async with bench_on(kubeconfig, namespace, image="registry.invalid/none:1", patience=Patience(pull=5)) as bench:
        attempt, _ = await bench.submit(plan(shell("echo")))
        words = await why(bench, attempt)
        assert "registry.invalid/none:1" in words and ("ErrImagePull" in words or "ImagePullBackOff" in words)
        await noticed(bench, attempt, "Failed to pull image")


async def test_an_image_that_may_not_be_pulled_is_told_at_once(kubeconfig: str, namespace: str) -> None:
    async with bench_on(kubeconfig, namespace, image="registry.invalid/none:1", pull_policy="Never") as bench:
        attempt, _ = await bench.submit(plan(shell("echo")))
        assert "ErrImageNeverPull" in await why(bench, attempt)


async def test_what_a_pod_waits_for_is_told_while_it_waits(bench: ClusterBench) -> None:
    attempt, _ = await bench.submit(Plan("test", (step(1, shell("echo")),), pod={"nodeSelector": {"no": "where"}}))
    await noticed(bench, attempt, "Warning FailedScheduling: 0/")


async def test_a_volume_that_cannot_be_mounted_is_told_from_its_events(kubeconfig: str, namespace: str) -> None:
    async with bench_on(kubeconfig, namespace, patience=Patience(pending=15)) as bench:
        pod: dict[str, Json] = {"volumes": [{"name": "v", "secret": {"secretName": "nowhere"}}]}
        run = Run(Container(image=BUSYBOX, volume_mounts=({"name": "v", "mountPath": "/v"},)), "echo")
        attempt, _ = await bench.submit(Plan("test", (step(1, run),), pod=pod))
        words = await why(bench, attempt)
        assert "it did not start within 15 s" in words and 'secret "nowhere" not found' in words


@asynccontextmanager
async def admission(bench: ClusterBench) -> AsyncIterator[None]:
    """A policy of the cluster that wants a label of every pod in this namespace."""
    kind, name = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic", bench.settings.namespace
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    rule = {"expression": "'team' in object.metadata.labels", "message": "a pod bears the label team"}
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    constraints = {"resourceRules": [pods], "namespaceSelector": here}
    body = {"failurePolicy": "Fail", "matchConstraints": constraints, "validations": [rule]}
    await bench.calls.create(f"{kind}ies", {**head, "kind": "ValidatingAdmissionPolicy", "spec": body})
    bound = {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": here}}
    await bench.calls.create(f"{kind}ybindings", {**head, "kind": "ValidatingAdmissionPolicyBinding", "spec": bound})
    try:
        yield
    finally:
        await bench.calls.delete(f"{kind}ybindings/{name}")
        await bench.calls.delete(f"{kind}ies/{name}")


async def test_what_a_policy_of_the_cluster_denies_is_final(bench: ClusterBench) -> None:
    async with admission(bench):
        meek = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
        container = {"name": "c", "image": BUSYBOX, "securityContext": {**meek, "seccompProfile": SECCOMP}}
        head = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "labels": {"a": "b"}}}
        probe = {**head, "spec": {"containers": [container]}}
        async with asyncio.timeout(STARTED):
            while await allowed(bench, probe):
                await asyncio.sleep(0.2)  # the API server takes up a policy a moment later
        attempt, _ = await bench.submit(plan(shell("echo")))
        declined = await declining(bench, attempt)
        assert declined.final and "a pod bears the label team" in declined.reason
        await gone(bench)


async def allowed(bench: ClusterBench, body: Mapping[str, object]) -> bool:
    """Whether a pod would be let in as far as the policy goes; none is made."""
    from agent.executors.kubernetes.calls import ApiRefused

    try:
        await bench.calls.create(f"{bench.base}/pods?dryRun=All", body)
    except ApiRefused as refused:
        return "a pod bears the label team" not in refused.words
    return True


async def test_an_eviction_by_the_node_is_told_in_its_words(bench: ClusterBench) -> None:
    script = "head -c 4194304 /dev/zero >/v/much; echo up; sleep 1000"
    greedy = step(1, shell(script, volume_mounts=({"name": "v", "mountPath": "/v"},)))
    pod: dict[str, Json] = {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]}
    attempt, held = await up(bench, Plan("test", (greedy,), pod=pod))
    said = await ended(bench, attempt, held)
    assert 'EmptyDir volume "v" exceeds the limit "1Mi"' in said
    await noticed(bench, attempt, 'EmptyDir volume "v" exceeds the limit "1Mi"')
    await gone(bench)


async def test_a_deletion_is_told_as_one(bench: ClusterBench) -> None:
    attempt, held = await up(bench, plan(shell("echo up; sleep 1000")))
    await bench.calls.delete(f"{bench.base}/pods/{pod_name(attempt)}")
    assert "it was deleted" in await ended(bench, attempt, held)
    await gone(bench)


async def ended(bench: ClusterBench, attempt: Attempt, held: Held) -> str:
    """Why it was aborted: in its conductor's last word, or the agent's."""
    await bench.control.until(lambda: held.finished is not None or bool(lost(bench, attempt)), STARTED)
    if held.finished is None:
        return lost(bench, attempt)
    assert held.finished.state is ExecutionState.ABORTED
    return held.finished.reason


async def test_a_deadline_that_the_cluster_sets_is_told(bench: ClusterBench) -> None:
    attempt, held = await up(bench, plan(shell("echo up; sleep 1000")))
    await patched(bench, f"{bench.base}/pods/{pod_name(attempt)}", {"spec": {"activeDeadlineSeconds": 1}})
    await bench.control.until(lambda: held.finished is not None or bool(lost(bench, attempt)), STARTED)
    assert held.finished is None or held.finished.state is ExecutionState.ABORTED
    assert held.finished is not None or "DeadlineExceeded" in lost(bench, attempt)
    await gone(bench)


@asynccontextmanager
async def unreachable(bench: ClusterBench, attempt: Attempt) -> AsyncIterator[None]:
    """The pod's node is called unreachable, as the node controller does; other pods bear that for five minutes."""
    pod = await bench.calls.get(f"{bench.base}/pods/{pod_name(attempt)}") or {}
    node = f"/api/v1/nodes/{pod['spec']['nodeName']}"
    before = ((await bench.calls.get(node)) or {})["spec"].get("taints") or []
    taints = [*before, {"key": UNREACHABLE, "effect": "NoExecute"}]
    try:
        async with asyncio.TaskGroup() as tasks:
            insisting = tasks.create_task(_insist(bench, node, {"spec": {"taints": taints}}))
            yield
            insisting.cancel()
    finally:
        await patched(bench, node, {"spec": {"taints": before or None}})


async def _insist(bench: ClusterBench, node: str, body: Mapping[str, object]) -> None:
    """Say it again and again: the node is well, so the node controller takes it back, maybe before a pod must go."""
    while True:
        await patched(bench, node, body)
        await asyncio.sleep(0.2)


async def test_a_pod_that_is_taken_from_a_tainted_node(bench: ClusterBench) -> None:
    attempt, held = await up(bench, Plan("test", (step(1, shell("echo up; sleep 1000")),), pod=LEAVES))
    async with unreachable(bench, attempt):
        assert "taint" in await ended(bench, attempt, held)
        await gone(bench)


async def test_what_was_there_before_a_step_was_killed_for_its_memory_is_kept(bench: ClusterBench) -> None:
    hungry = "echo before; echo kept > /data/kept.txt; exec python3 -c \"a = 'x' * 10**9\""
    limited = {"limits": {"memory": "50Mi"}}
    always = Step(StepRef("2"), shell("cat /data/kept.txt"), condition="always")
    held = await bench.run(plan(shell(hungry, PYTHON, resources=limited), always))
    assert held.output("1") == b"before\n" and held.output("2") == b"kept\n"
    assert ends(held)["1"].status is StepStatus.FAILED and "OOMKilled" in ends(held)["1"].reason


async def test_a_cancel_ends_what_does_not_want_to_end(bench: ClusterBench) -> None:
    attempt, held = await up(bench, plan(shell("trap '' TERM INT; echo up; while :; do sleep 1; done")))
    began = asyncio.get_running_loop().time()
    bench.control.tell(attempt, Stop(ExecutionState.CANCELED, "enough"))
    await bench.control.until(lambda: held.finished is not None, STARTED)
    assert held.finished is not None and held.finished.state is ExecutionState.CANCELED
    await gone(bench)
    assert asyncio.get_running_loop().time() - began < bench.settings.grace + 30
