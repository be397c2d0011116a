"""An agent that comes and goes: adoption, orphans, services, the way through the API server."""

from __future__ import annotations

import asyncio
import json

from tests.agent.plans import assign, attempt, plan, step
from tests.cluster.conftest import BUSYBOX, STARTED, ClusterBench, bench_on
from tests.cluster.test_steps import shell
from tests.cluster.test_truth import leftover
from tests.fakes.control import MemoryControl
from workflow.identifiers import SECOND
from workflow.plan.nodes import PROBE, Container, Json, Plan, Run
from workflow.session import ChildAddress, Withdraw
from workflow.states import ExecutionState


async def gone(bench: ClusterBench) -> None:
    """Wait until nothing of ours is left."""
    async with asyncio.timeout(STARTED):
        while await leftover(bench):
            await asyncio.sleep(0.2)


async def test_an_agent_that_restarts_finds_its_pods_and_loses_nothing(kubeconfig: str, namespace: str) -> None:
    control = MemoryControl()
    lines = 400
    async with bench_on(kubeconfig, namespace, control) as first:
        _, held = await first.submit(
            plan(shell(f"for i in $(seq {lines}); do echo $i; sleep 0.01; done"), shell("echo end"))
        )
        await control.until(lambda: b"20\n" in held.output(), STARTED)
    async with bench_on(kubeconfig, namespace, control) as second:
        await control.until(lambda: held.finished is not None, STARTED)
        assert held.finished is not None and held.finished.state is ExecutionState.PASSED
        assert held.output() == b"".join(f"{i}\n".encode() for i in range(1, lines + 1)) + b"end\n"
        await gone(second)


async def test_nothing_is_left_and_little_is_asked(bench: ClusterBench) -> None:
    before = dict(bench.calls.count)
    held = await bench.run(plan(shell("echo")))
    assert held.finished is not None
    await gone(bench)
    asked = {
        verb: count - before.get(verb, 0) for verb, count in bench.calls.count.items() if verb in {"POST", "DELETE"}
    }
    assert asked == {"POST": 2, "DELETE": 2}


async def test_what_is_withdrawn_ends_at_once(bench: ClusterBench) -> None:
    withdrawn, held = await bench.submit(plan(shell("echo up; sleep 1000")))
    await bench.control.until(lambda: b"up" in held.output(), STARTED)
    bench.control.say(Withdraw(withdrawn, "taken back"))
    await gone(bench)


async def test_orphans_are_swept_at_the_start(kubeconfig: str, namespace: str, bench: ClusterBench) -> None:
    fresh = attempt(name="orphan")
    head = {
        "labels": {
            "muster.dev/agent": bench.settings.agent,
            "muster.dev/execution": "orphan",
            "muster.dev/attempt": "1",
        }
    }
    notes = {"muster.dev/execution": "orphan", "muster.dev/attempt": "1"}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "muster-orphan-1", **head, "annotations": notes}}
    await bench.calls.create(f"{bench.base}/secrets", body)
    assert [found.attempt for found in await bench.executor.held()] == [fresh]
    await bench.executor.remove(fresh)
    await gone(bench)


async def test_through_the_api_server(kubeconfig: str, namespace: str) -> None:
    from agent.executors.kubernetes.settings import Reach

    async with bench_on(kubeconfig, namespace, reach=Reach.TUNNEL) as bench:
        held = await bench.run(plan(shell("head -c 3000000 /dev/zero | tr '\\0' x; echo"), shell("echo second")))
        assert len(held.output("1")) == 3_000_001
        assert held.output("2") == b"second\n"


async def test_a_service_is_reached_once_its_probe_answers(bench: ClusterBench) -> None:
    script = "sleep 1; mkdir -p /tmp/w; echo hi > /tmp/w/x; exec httpd -f -p 8080 -h /tmp/w"
    probe = {"httpGet": {"port": 8080, "path": "/x"}, "periodSeconds": 1}
    service = Plan("test", (step(1, shell(script)),), annotations={PROBE: json.dumps(probe)})
    assigned = assign(service, attempt(name=f"svc-{bench.settings.namespace}"))
    await bench.submit(type(assigned)(assigned.bundle, service=True))

    def address() -> list[ChildAddress]:
        return [said for said in bench.control.said if isinstance(said, ChildAddress)]

    await bench.control.until(lambda: bool(address()), STARTED)
    ip = address()[0].address
    held = await bench.run(plan(shell(f"wget -qO- http://{ip}:8080/x")))
    assert held.output() == b"hi\n"


async def test_a_deadline_ends_it(bench: ClusterBench) -> None:
    limited = Plan("test", (step(1, shell("echo up; sleep 100")),), active_deadline=3 * SECOND)
    held = await bench.run(limited)
    assert held.finished is not None and held.finished.state is ExecutionState.ABORTED


async def test_a_claim_lives_and_goes_with_its_execution(bench: ClusterBench) -> None:
    claim: dict[str, Json] = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "none",
        "resources": {"requests": {"storage": "1Mi"}},
    }
    pod: dict[str, Json] = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "{{ pvcs.mine.name }}"}}]}
    run = Run(Container(image=BUSYBOX, volume_mounts=({"name": "v", "mountPath": "/v"},)), "echo")
    submitted, _ = await bench.submit(Plan("test", (step(1, run),), pod=pod, pvcs={"mine": claim}))
    async with asyncio.timeout(STARTED):
        while not any(name.startswith("persistentvolumeclaims/") for name in await leftover(bench)):
            await asyncio.sleep(0.1)
    bench.control.say(Withdraw(submitted, "enough"))
    await gone(bench)
