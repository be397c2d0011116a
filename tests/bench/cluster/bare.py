"""Pods without Muster: created, watched, read, deleted by plain requests. The floor of the other parts."""

from __future__ import annotations

import asyncio
import copy
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from agent.executors.kubernetes.calls import Object
from agent.executors.kubernetes.settings import Reach
from tests.bench.cluster.place import Cluster, reach

PORT = 7555
_WORD = b"hello\n"
_PAUSE = ["/usr/local/bin/busybox", "sleep", "3600"]
_SAY = ["/bin/sh", "-c", f"echo hello; exec nc -l -p {PORT} -e echo hello"]
_MADE_BY_THE_CLUSTER = ("nodeName", "priority", "tolerations", "schedulerName", "preemptionPolicy")


@dataclass(frozen=True, slots=True)
class Equal:
    """A pod that was seen, without what Muster does in it: same images, containers, volumes."""

    pod: Object
    secret: Object

    def fresh(self) -> tuple[Object, Object]:
        """Secret and pod under a new name."""
        name = f"bare-{secrets.token_hex(5)}"
        secret = {**self.secret, "metadata": {"name": name}}
        spec = copy.deepcopy(self.pod["spec"])
        for volume in spec["volumes"]:
            if (source := volume.get("secret")) and source["secretName"] == self.secret["metadata"]["name"]:
                source["secretName"] = name
        return secret, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


async def equal_to(cluster: Cluster, pod: Object) -> Equal:
    """From a pod of an execution that runs."""
    name = pod["metadata"]["name"]
    secret = await cluster.calls.get(f"/api/v1/namespaces/{cluster.namespace}/secrets/{name}")
    assert secret is not None
    spec = {key: value for key, value in pod["spec"].items() if key not in _MADE_BY_THE_CLUSTER}
    conductor, *steps = copy.deepcopy(spec["containers"])
    conductor.pop("lifecycle", None)
    conductor["command"] = _PAUSE
    for step in steps:
        step["command"] = _SAY
    spec["containers"] = [conductor, *steps]
    kept = {key: secret[key] for key in ("apiVersion", "kind", "type", "data", "metadata")}
    return Equal({"spec": spec}, kept)


@dataclass(frozen=True, slots=True)
class Bare:
    """Seconds from the request that creates the pod."""

    running: float
    """Until the watch shows every container running."""
    output: float
    """Until the first output was read; where pods cannot be dialled from here, as if that took no time."""


async def started(cluster: Cluster, equal: Equal) -> Bare:
    """Create one and read what it says, the fastest way there is; it is gone afterwards."""
    secret, pod = equal.fresh()
    name = pod["metadata"]["name"]
    await cluster.calls.create(f"/api/v1/namespaces/{cluster.namespace}/secrets", secret)
    try:
        async with watched(cluster, name) as seen:
            begin = time.perf_counter()
            await cluster.calls.create(cluster.pods, pod)
            shown = await until(seen, up)
            running = time.perf_counter() - begin
            if reach() is Reach.ADDRESS:
                await _dialled(shown["status"]["podIP"])
            return Bare(running, time.perf_counter() - begin)
    finally:
        await cluster.calls.delete(f"{cluster.pods}/{name}", grace=1)
        await cluster.calls.delete(f"/api/v1/namespaces/{cluster.namespace}/secrets/{name}")
        await cluster.emptied()


@asynccontextmanager
async def watched(cluster: Cluster, name: str) -> AsyncIterator[AsyncIterator[Object]]:
    """The events of one pod."""
    async with cluster.calls.watch(cluster.pods, {"fieldSelector": f"metadata.name={name}"}, 60) as events:
        yield events


async def until(events: AsyncIterator[Object], holds: Callable[[Object], bool]) -> Object:
    """The pod as soon as it is so."""
    async with asyncio.timeout(120):
        async for event in events:
            if holds(event["object"]):
                found: Object = event["object"]
                return found
    raise AssertionError("the watch ended")


def up(pod: Object) -> bool:
    """Whether the kubelet says that every container runs."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return bool(statuses) and all("running" in each["state"] for each in statuses)


async def _dialled(address: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                reader, writer = await asyncio.open_connection(address, PORT)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            said = await reader.readline()
            writer.close()
            assert said == _WORD, said
            return
