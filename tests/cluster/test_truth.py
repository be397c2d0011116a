"""What becomes of pods, told as it is: gone is never passed."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

from agent.executors.kubernetes.settings import Patience
from tests.agent.plans import plan, step
from tests.cluster.conftest import PYTHON, STARTED, ClusterBench, bench_on
from tests.cluster.test_steps import ends, shell
from tests.contracts.cutting.bench import ours
from workflow.identifiers import Attempt, StepRef
from workflow.plan.nodes import Container, Plan, Run, Step
from workflow.session import AttemptLost, Decline
from workflow.states import ExecutionState, StepStatus

HUNGRY = Run(
    Container(image=PYTHON, resources={"limits": {"memory": "50Mi"}}), "python3 -c \"a = 'x' * 10**9\"; echo no"
)


def lost(bench: ClusterBench, attempt: Attempt) -> str:
    """Why it is lost; empty where it is not."""
    return next(
        (said.reason for said in bench.control.said if said == AttemptLost(attempt, getattr(said, "reason", ""))), ""
    )


async def test_an_oom_kill_fails_its_step_and_no_other(bench: ClusterBench) -> None:
    always = Step(
        StepRef("2"), shell("echo cleaned up", PYTHON, resources={"limits": {"memory": "50Mi"}}), condition="always"
    )
    held = await bench.run(plan(HUNGRY, always))
    assert ends(held)["1"].status is StepStatus.FAILED
    assert "OOMKilled" in ends(held)["1"].reason
    assert held.output("2") == b"cleaned up\n"
    assert held.finished is not None and held.finished.state is ExecutionState.FAILED


async def test_an_image_that_cannot_be_pulled_fails_its_step_alone(bench: ClusterBench) -> None:
    missing = step(1, shell("echo never", "registry.invalid/none:1"))
    always = Step(StepRef("2"), shell("echo on"), condition="always")
    held = await bench.run(plan(missing, always), 60)
    assert ends(held)["1"].status is StepStatus.FAILED
    assert "registry.invalid/none:1" in ends(held)["1"].reason
    assert held.output("2") == b"on\n"


async def test_a_bad_image_name_is_told_at_once(bench: ClusterBench) -> None:
    held = await bench.run(plan(shell("echo never", "Not A Name")), 20)
    assert "InvalidImageName" in ends(held)["1"].reason


async def test_unschedulable_is_told_in_the_schedulers_words(kubeconfig: str, namespace: str) -> None:
    async with bench_on(kubeconfig, namespace, patience=Patience(pending=10)) as bench:
        attempt, _ = await bench.submit(Plan("test", (step(1, shell("echo")),), pod={"nodeSelector": {"no": "where"}}))
        await bench.control.until(lambda: bool(lost(bench, attempt)), STARTED)
        assert "node" in lost(bench, attempt) and "selector" in lost(bench, attempt)


async def test_a_quota_is_told_and_may_pass(bench: ClusterBench) -> None:
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await bench.calls.create(f"{bench.base}/resourcequotas", body)
    async with asyncio.timeout(20):
        while not ((await bench.calls.get(f"{bench.base}/resourcequotas/none") or {}).get("status") or {}).get("hard"):
            await asyncio.sleep(0.1)
    attempt, _ = await bench.submit(plan(shell("echo")))
    declined = await declining(bench, attempt)
    assert "exceeded quota" in declined.reason and not declined.final
    assert await leftover(bench) == []


async def test_what_admission_refuses_is_final(bench: ClusterBench) -> None:
    run = shell("echo", security_context={"allowPrivilegeEscalation": False, "capabilities": {"add": ["NET_RAW"]}})
    attempt, _ = await bench.submit(plan(run))
    declined = await declining(bench, attempt)
    assert declined.final and "NET_RAW" in declined.reason


async def declining(bench: ClusterBench, attempt: Attempt) -> Decline:
    """The agent's refusal."""

    def found() -> list[Decline]:
        return [said for said in bench.control.said if isinstance(said, Decline) and said.attempt == attempt]

    await bench.control.until(lambda: bool(found()), STARTED)
    return found()[0]


async def leftover(bench: ClusterBench) -> list[str]:
    """Every object of ours in the namespace."""
    return await ours(bench.calls, bench.base)


async def test_a_deleted_pod_is_never_a_success(bench: ClusterBench) -> None:
    attempt, held = await bench.submit(plan(shell("echo up; sleep 1000")))
    await bench.control.until(lambda: b"up" in held.output(), STARTED)
    await bench.calls.delete(f"{bench.base}/pods/muster-{attempt.execution}-1")
    await bench.control.until(lambda: held.finished is not None or bool(lost(bench, attempt)), STARTED)
    assert held.finished is not None and held.finished.state is ExecutionState.ABORTED
    assert "deleted" in held.finished.reason


async def test_a_pod_deleted_without_grace_is_lost(bench: ClusterBench) -> None:
    attempt, held = await bench.submit(plan(shell("echo up; sleep 1000")))
    await bench.control.until(lambda: b"up" in held.output(), STARTED)
    await bench.calls.delete(f"{bench.base}/pods/muster-{attempt.execution}-1", grace=0)
    await bench.control.until(lambda: held.finished is not None or bool(lost(bench, attempt)), STARTED)
    assert held.finished is None or held.finished.state is ExecutionState.ABORTED


async def test_an_eviction_is_told(bench: ClusterBench) -> None:
    attempt, held = await bench.submit(plan(shell("echo up; sleep 1000")))
    await bench.control.until(lambda: b"up" in held.output(), STARTED)
    name = f"muster-{attempt.execution}-1"
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    await bench.calls.create(f"{bench.base}/pods/{name}/eviction", body)
    await bench.control.until(lambda: held.finished is not None, STARTED)
    assert held.finished is not None and held.finished.state is ExecutionState.ABORTED


async def test_a_killed_conductor_comes_back_and_tells(bench: ClusterBench) -> None:
    script = "echo up; sleep 1000"
    attempt, held = await bench.submit(plan(shell(script)))
    await bench.control.until(lambda: b"up" in held.output(), STARTED)
    await end_of_the_conductor(bench, attempt)
    await bench.control.until(lambda: held.finished is not None or bool(lost(bench, attempt)), 60)
    assert held.finished is not None and held.finished.state is ExecutionState.ABORTED


async def end_of_the_conductor(bench: ClusterBench, attempt: Attempt) -> None:
    """Kill the conductor's process from inside its container."""
    from kubernetes.aio.stream import WsApiClient

    from agent.executors.kubernetes.naming import pod_name

    client = WsApiClient(bench.calls.client.configuration)  # type: ignore[no-untyped-call]
    words = [("command", word) for word in ("python3", "-c", "import os; os.kill(1, 2)")]
    query = urlencode([("container", "conductor"), ("stdout", "true"), ("stderr", "true"), *words])
    path = f"{bench.base}/pods/{pod_name(attempt)}/exec?{query}"
    request = await client.param_serialize("GET", path, auth_settings=["BearerToken"])
    await client.call_api(*request)  # type: ignore[no-untyped-call]
    await client.close()  # type: ignore[no-untyped-call]
