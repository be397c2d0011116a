"""Muster as it stands in clusters: the control plane by ``deploy/kubernetes/control-plane`` in the last of them, agents
by ``muster agents install`` in all, the command line as a process of this machine.

Called by the tests of installing. No cluster name service and no service address is used: a forwarder on this machine
leads agents to the control plane's pod, as a load balancer would, and people, as ``kubectl port-forward`` does. The
address under which pods reach this machine is ``MUSTER_TEST_HOST``, else that of the last cluster's node.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.executors.kubernetes.calls import Calls
from agent.executors.kubernetes.tunnel import tunnel
from muster.client import Muster
from muster.install.cluster import Cluster
from tests.cluster.conftest import STARTED, calls_to
from tests.deploy.rendering import kustomized
from workflow.views import AgentView

IMAGE = os.environ.get("MUSTER_TEST_IMAGE", "")
PATHS = os.environ.get("KUBECONFIG", "").split(":")
ENVIRONMENTS = ("dev", "staging", "prod")
GRPC, ENROL, WEB = 7443, 7444, 7070
_POD = "muster-control-plane-0"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and how it ended."""

    code: int | None
    out: str
    err: str


@dataclass
class Plane:
    """A control plane in a cluster, and how it is reached from here and from pods."""

    namespace: str
    host: str
    ports: dict[int, int] = field(default_factory=dict)
    """A port of its pod -> one of this machine."""
    token: str = ""

    @property
    def url(self) -> str:
        """Where people go."""
        return f"http://127.0.0.1:{self.ports[WEB]}"

    def client(self) -> Muster:
        """To be entered."""
        return Muster(self.url, self.token)

    async def muster(self, *words: str, given: str = "", seconds: float = 2 * STARTED) -> Said:
        """The command line, until it ends."""
        env = {**os.environ, "MUSTER_URL": self.url, "MUSTER_TOKEN": self.token}
        return await said(sys.executable, "-m", "muster", *words, given=given, env=env, seconds=seconds)

    async def install(self, agent: str, cluster: int, namespace: str, *more: str, command: str = "install") -> Said:
        """``muster agents install`` in the cluster of that number."""
        where = ("--kubeconfig", PATHS[cluster], "--namespace", namespace, "--image", IMAGE)
        control = (
            "--control-plane",
            f"{self.host}:{self.ports[GRPC]}",
            "--enrolment",
            f"{self.host}:{self.ports[ENROL]}",
        )
        return await self.muster("agents", command, agent, *where, *control, *more)

    async def uninstall(self, agent: str, cluster: int, namespace: str, *more: str) -> Said:
        """``muster agents uninstall``."""
        where = ("--kubeconfig", PATHS[cluster], "--namespace", namespace)
        return await self.muster("agents", "uninstall", agent, *where, *more)

    async def agent(self, name: str) -> AgentView | None:
        """As the control plane knows it."""
        async with self.client() as client:
            return next((each for each in await client.agents() if each.name == name), None)

    async def until(self, name: str, holds: Callable[[AgentView], bool]) -> AgentView:
        """Wait until the control plane says so of an agent."""
        async with asyncio.timeout(STARTED):
            while (view := await self.agent(name)) is None or not holds(view):
                await asyncio.sleep(0.2)
        return view


async def said(*words: str, given: str = "", env: dict[str, str] | None = None, seconds: float = STARTED) -> Said:
    """What a program prints, once it has ended."""
    process = await asyncio.create_subprocess_exec(*words, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(seconds):
        out, err = await process.communicate(given.encode())
    return Said(process.returncode, out.decode(), err.decode())


async def kubectl(cluster: int, *words: str, given: str = "") -> str:
    """What kubectl prints, which must do it."""
    if not shutil.which("kubectl"):
        pytest.skip("the control plane is put into its cluster by kubectl, which is not installed")
    done = await said("kubectl", "--kubeconfig", PATHS[cluster], *words, given=given)
    assert done.code == 0, done.err
    return done.out


@asynccontextmanager
async def plane() -> AsyncIterator[Plane]:
    """The control plane, serving; with nothing left of it afterwards."""
    namespace, last = f"install-plane-{secrets.token_hex(3)}", len(PATHS) - 1
    async with AsyncExitStack() as stack:
        calls = await calls_to(PATHS[last])
        stack.push_async_callback(calls.close)
        host = os.environ.get("MUSTER_TEST_HOST") or await _node_address(calls)
        made = Plane(namespace, host)
        stack.push_async_callback(calls.delete, f"/api/v1/namespaces/{namespace}")
        cluster = await stack.enter_async_context(await Cluster.open(PATHS[last], None))
        for body in objects(namespace, host):
            await cluster.apply(body)
        await _storage(stack, calls, namespace)
        await ready(calls, namespace)
        for port, address in ((GRPC, "0.0.0.0"), (ENROL, "0.0.0.0"), (WEB, "127.0.0.1")):
            made.ports[port] = await stack.enter_async_context(_forwarded(calls, namespace, port, address))
        made.token = (
            await kubectl(last, "-n", namespace, "exec", _POD, "--", "cat", "/var/lib/muster/state/token")
        ).strip()
        yield made


def objects(namespace: str, host: str) -> list[dict[str, Any]]:
    """The base, as an overlay would have it for this place: namespace, image, addresses."""
    found = []
    for (kind, _), body in kustomized("control-plane").items():
        if kind == "Namespace":
            body["metadata"]["name"] = namespace
        else:
            body["metadata"]["namespace"] = namespace
        if kind == "ConfigMap":
            body["data"] |= {"MUSTER_ADVERTISE": f"muster-control-plane.{namespace}.svc", "MUSTER_NAMES": host}
        if kind == "StatefulSet":
            (container,) = body["spec"]["template"]["spec"]["containers"]
            container |= {"image": IMAGE, "imagePullPolicy": "IfNotPresent"}
            container["resources"]["requests"] = {"cpu": "50m", "memory": "128Mi"}
        found.append(body)
    return sorted(found, key=lambda body: body["kind"] != "Namespace")


async def ready(calls: Calls, namespace: str) -> None:
    """Wait until the control plane's pod is."""
    path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/muster-control-plane"
    async with asyncio.timeout(STARTED):
        while not (((await calls.get(path)) or {}).get("status") or {}).get("readyReplicas"):
            await asyncio.sleep(0.3)


async def _node_address(calls: Calls) -> str:
    nodes = (await calls.get("/api/v1/nodes") or {})["items"]
    return next(str(each["address"]) for each in nodes[0]["status"]["addresses"] if each["type"] == "InternalIP")


async def _storage(stack: AsyncExitStack, calls: Calls, namespace: str) -> None:
    """Where the cluster provides no volumes by itself: one of its node, as an administrator would make it."""
    classes = (await calls.get("/apis/storage.k8s.io/v1/storageclasses") or {}).get("items") or ()
    default = "storageclass.kubernetes.io/is-default-class"
    if any((each["metadata"].get("annotations") or {}).get(default) == "true" for each in classes):
        return
    node = (await calls.get("/api/v1/nodes") or {})["items"][0]["metadata"]["name"]
    name, folder = f"muster-test-{namespace}", f"/var/tmp/muster-test-{namespace}"
    await _on_node(calls, f"mkdir -p -m 0777 /host{folder}")
    stack.push_async_callback(_on_node, calls, f"rm -rf /host{folder}")
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    spec = {
        "capacity": {"storage": "20Gi"},
        "accessModes": ["ReadWriteOnce"],
        "claimRef": {"namespace": namespace, "name": f"state-{_POD}"},
        "local": {"path": folder},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
    }
    body = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
    stack.push_async_callback(calls.delete, f"/api/v1/persistentvolumes/{name}")
    await calls.create("/api/v1/persistentvolumes", body)


async def _on_node(calls: Calls, script: str) -> None:
    """A line of sh with the node's /var/tmp below /host."""
    path, name = "/api/v1/namespaces/default/pods", f"install-node-{secrets.token_hex(3)}"
    container = {
        "name": "sh",
        "image": "busybox:1.36",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        "volumeMounts": [{"name": "host", "mountPath": "/host/var/tmp"}],
    }
    spec = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "host", "hostPath": {"path": "/var/tmp"}}],
    }
    await calls.create(path, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
    try:
        async with asyncio.timeout(STARTED):
            while ((await calls.get(f"{path}/{name}") or {}).get("status") or {}).get("phase") != "Succeeded":
                await asyncio.sleep(0.2)
    finally:
        await calls.delete(f"{path}/{name}", grace=0)


@asynccontextmanager
async def _forwarded(calls: Calls, namespace: str, port: int, address: str) -> AsyncIterator[int]:
    """A port of this machine that leads to one of the control plane's pod, whichever it is now."""

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            async with tunnel(calls.client, namespace, _POD, port) as pod:
                there, back = await asyncio.open_connection(sock=pod)
                await _both(_pumped(reader, back), _pumped(there, writer))
                await _closed(back)
        await _closed(writer)

    server = await asyncio.start_server(lead, address, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _both(one: Any, other: Any) -> None:
    """Until one of them ends."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(one), loop.create_task(other)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def identity(calls: Calls, namespace: str, agent: str) -> dict[str, Any]:
    """What an agent keeps of itself in its cluster."""
    secret = await calls.get(f"/api/v1/namespaces/{namespace}/secrets/muster-agent-{agent}") or {}
    assert set(secret["data"]) == {"identity.json"}, "the invitation is used up, and gone"
    found: dict[str, Any] = json.loads(base64.b64decode(secret["data"]["identity.json"]))
    return found
