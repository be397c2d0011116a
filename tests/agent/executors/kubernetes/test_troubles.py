"""An API server that is slow, busy, forgetful or silent; pods that others touch: on the cluster in this process."""

from __future__ import annotations

import asyncio

import pytest

from agent.executors.kubernetes.executor import KubernetesExecutor
from agent.executors.kubernetes.naming import pod_name
from agent.executors.kubernetes.settings import Patience
from agent.ports.executor import CannotLaunch, ConductorGone
from tests.agent.executors.kubernetes.conftest import HASTY, SETTINGS, FakeCluster
from tests.contracts.executor.test_executor import finished, gone, printed, record, work
from tests.fakes.kubernetes.objects import Object, Refusal
from workflow.identifiers import Attempt
from workflow.journal import AttemptStarted

PODS = "/api/v1/namespaces/tests/pods"


async def test_a_busy_server_is_asked_again(cluster: FakeCluster) -> None:
    executor = cluster.executor()
    await executor.held()
    of, bundle = work()
    for code in (429, 500, 503):
        cluster.api.troubles.append(Refusal(code, "Busy", "try again"))
    await executor.launch(bundle)
    assert printed(await finished(executor, of)) == b"hello\n"


@pytest.mark.parametrize(
    ("refusal", "final"),
    [
        (Refusal(403, "Forbidden", 'pods "x" is forbidden: exceeded quota: none, requested: pods=1'), False),
        (Refusal(403, "Forbidden", 'pods "x" is forbidden: violates PodSecurity "restricted:latest"'), True),
        (Refusal(422, "Invalid", "Pod is invalid: spec.containers[1].image: Required value"), True),
        (Refusal(404, "NotFound", 'namespaces "tests" not found'), True),
    ],
)
async def test_what_is_refused_is_told_in_the_clusters_words(
    cluster: FakeCluster, refusal: Refusal, final: bool
) -> None:
    executor = cluster.executor()

    def admit(collection: str, _: Object) -> None:
        if collection == PODS:
            raise refusal

    cluster.objects.admission.append(admit)
    _, bundle = work()
    with pytest.raises(CannotLaunch) as found:
        await executor.launch(bundle)
    assert refusal.message in found.value.reason and found.value.final is final
    assert await executor.held() == ()


async def running(cluster: FakeCluster, of: Attempt) -> None:
    """Wait until its node runs it."""
    async with asyncio.timeout(60):
        while (cluster.objects.get(f"{PODS}/{pod_name(of)}").get("status") or {}).get("phase") != "Running":
            await asyncio.sleep(0.01)


async def test_watches_that_end_or_expire_lose_nothing(cluster: FakeCluster) -> None:
    executor = cluster.executor()
    await executor.held()
    cluster.objects.mute = True
    of, bundle = work()
    await executor.launch(bundle)
    await running(cluster, of)  # and the watch says nothing of it
    cluster.objects.mute = False
    expired = Refusal(410, "Expired", "too old resource version")
    cluster.objects.end_watches({"type": "ERROR", "object": expired.status()})
    assert printed(await finished(executor, of)) == b"hello\n"


async def test_a_pod_that_somebody_deletes_is_lost(cluster: FakeCluster) -> None:
    executor = cluster.executor()
    of, bundle = work("sleep 1000")
    await executor.launch(bundle)
    async with executor.connect(of, 0) as conversation:
        await record(conversation.received(), AttemptStarted)
        cluster.objects.remove(PODS, pod_name(of))
        async with asyncio.timeout(60):
            async for _ in conversation.received():
                pass
    assert "gone" in await gone(executor, of)


async def refused_by_every_node(cluster: FakeCluster, executor: KubernetesExecutor, of: Attempt) -> None:
    """Its scheduler says why no node takes it, and so does the executor when it gives up."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    cluster.objects.update(
        PODS, pod_name(of), lambda pod: pod.update(status={"phase": "Pending", "conditions": [condition]})
    )
    with pytest.raises(ConductorGone, match="Unschedulable: 0/1 nodes"):
        async with asyncio.timeout(60), executor.connect(of, 0):
            pass


async def test_a_pod_that_no_node_takes_is_given_up_with_the_reason(cluster: FakeCluster) -> None:
    executor = cluster.executor(HASTY)
    cluster.kubelet.idle = True
    of, bundle = work()
    await executor.launch(bundle)
    await refused_by_every_node(cluster, executor, of)
    cluster.kubelet.idle = False


async def test_a_reason_that_the_watch_did_not_tell_is_asked_for_before_a_pod_is_given_up(cluster: FakeCluster) -> None:
    executor = cluster.executor(HASTY)
    await executor.held()
    cluster.kubelet.idle = cluster.objects.mute = True
    of, bundle = work()
    await executor.launch(bundle)
    await refused_by_every_node(cluster, executor, of)
    cluster.kubelet.idle = cluster.objects.mute = False


async def test_a_pod_that_came_unheard_is_not_given_up(cluster: FakeCluster) -> None:
    executor = cluster.executor(HASTY)
    await executor.held()
    cluster.objects.mute = True
    of, bundle = work()
    await executor.launch(bundle)
    await running(cluster, of)
    await asyncio.sleep(HASTY.patience.pending)  # not a wait for something: the patience is over
    assert printed(await finished(executor, of)) == b"hello\n"
    cluster.objects.mute = False


async def test_the_events_of_a_pod_that_is_late_are_told_before_it_is_given_up(cluster: FakeCluster) -> None:
    executor = cluster.executor(HASTY)
    heard: list[tuple[str, ...]] = []

    async def ear(attempt: Attempt, notes: tuple[str, ...]) -> None:
        assert attempt == of
        heard.append(notes)

    executor.hear(ear)
    cluster.kubelet.idle = True
    of, bundle = work()
    await executor.launch(bundle)
    about = {"kind": "Pod", "name": pod_name(of)}
    event = {"type": "Warning", "reason": "FailedScheduling", "message": "0/1 nodes", "involvedObject": about}
    cluster.objects.create("/api/v1/namespaces/tests/events", {"metadata": {"name": "one"}, **event})
    with pytest.raises(ConductorGone):
        async with asyncio.timeout(60), executor.connect(of, 0):
            pass
    assert heard[-1] == ("Warning FailedScheduling: 0/1 nodes",)
    cluster.kubelet.idle = False


async def test_a_clock_that_is_wrong_gives_nothing_up(cluster: FakeCluster) -> None:
    cluster.objects.ahead = -3600
    executor = cluster.executor()
    of, bundle = work("sleep 0.2; echo hello")
    await executor.launch(bundle)
    assert printed(await finished(executor, of)) == b"hello\n"


async def test_keys_that_somebody_changed_are_a_loss_and_no_crash(cluster: FakeCluster) -> None:
    of, bundle = work("sleep 1000")
    await cluster.executor().launch(bundle)
    cluster.objects.update("/api/v1/namespaces/tests/secrets", pod_name(of), lambda held: held.update(data={"ca": "?"}))
    with pytest.raises(ConductorGone, match="secret of its pod was changed"):
        async with asyncio.timeout(60), cluster.executor().connect(of, 0):
            pass


async def test_a_stranger_without_the_key_is_not_heard(cluster: FakeCluster) -> None:
    import ssl

    executor = cluster.executor()
    of, bundle = work("sleep 1000")
    await executor.launch(bundle)
    async with executor.connect(of, 0):
        address = cluster.objects.get(f"{PODS}/{pod_name(of)}")["status"]["podIP"]
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection(address, SETTINGS.port, ssl=context)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            writer.write(b"\0\0\0\0")
            await writer.drain()
            if await reader.read(1) == b"":
                raise ConnectionError
        writer.close()


async def test_a_name_that_is_somebody_elses_is_not_taken(cluster: FakeCluster) -> None:
    executor = cluster.executor()
    of, bundle = work()
    body = {"metadata": {"name": pod_name(of), "labels": {"app": "other"}}, "spec": {}}
    cluster.kubelet.idle = True
    cluster.objects.create("/api/v1/namespaces/tests/secrets", body)
    with pytest.raises(CannotLaunch, match="already exists"):
        await executor.launch(bundle)
    cluster.objects.remove("/api/v1/namespaces/tests/secrets", pod_name(of))


def test_the_defaults_are_patient() -> None:
    assert Patience() == Patience(pull=120, pending=600, removal=40)


async def test_an_agent_that_cannot_look_around_at_first_looks_again(cluster: FakeCluster) -> None:
    of, bundle = work("sleep 1000")
    await cluster.executor().launch(bundle)
    for _ in range(3):
        cluster.api.troubles.append(Refusal(403, "Forbidden", "no role yet"))
    assert [found.attempt for found in await cluster.executor().held()] == [of]
