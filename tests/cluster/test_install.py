"""The rights of an agent: enough for its work, each of them used, and nothing besides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
from kubernetes.aio.client import ApiClient, Configuration

from agent.executors.kubernetes.calls import ApiRefused, Calls
from agent.executors.kubernetes.executor import KubernetesExecutor
from agent.executors.kubernetes.keeping import Kept
from agent.executors.kubernetes.policy import Policy
from agent.executors.kubernetes.settings import Patience
from agent.relay import Relay, RelayOptions
from muster.install.cluster import Cluster
from muster.install.manifests import Install, agent_manifests
from muster.install.rights import rules
from tests.agent.plans import plan, step
from tests.cluster.conftest import STARTED, ClusterBench, calls_to, settings_for
from tests.cluster.test_agent import gone
from tests.cluster.test_steps import shell
from tests.cluster.test_truth import lost
from tests.fakes.control import MemoryControl
from workflow.plan.nodes import Plan

_GIVEN = {"Namespace", "ServiceAccount", "Role", "RoleBinding", "Secret"}
_UNUSED_HERE = {
    ("persistentvolumeclaims", "get"): "of a launch that is repeated, to see whose claim is there already",
    ("pods", "get"): "of a launch that is repeated, and of a pod that the watch does not show",
}
_VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update"}


class Recorded(Calls):
    """Remembers which right each request needed."""

    def __init__(self, client: ApiClient) -> None:
        super().__init__(client)
        self.used: set[tuple[str, str]] = set()

    async def _sent(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
        accept: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        kind, *name = path.split("/namespaces/", 1)[1].split("/")[1:]
        if verb == "GET":
            right = "get" if name else "watch" if query and "watch" in query else "list"
        else:
            right = _VERBS.get(verb) or ("delete" if name else "deletecollection")
        self.used.add((kind, right))
        return await super()._sent(verb, path, query, body, accept, timeout)


@dataclass
class Restricted:
    """An agent whose executor has its installation's rights alone."""

    bench: ClusterBench
    calls: Recorded
    admin: Calls
    title: str


@asynccontextmanager
async def restricted(kubeconfig: str, namespace: str) -> AsyncIterator[Restricted]:
    """As ``muster agents install`` grants them."""
    admin, settings = await calls_to(kubeconfig), settings_for(namespace)
    settings = replace(settings, patience=Patience(pull=5, pending=5))
    install = Install(settings.agent, namespace, settings.image, invitation="mj1.none")
    async with await Cluster.open(kubeconfig, None) as cluster:
        for body in agent_manifests(install):
            if body["kind"] in _GIVEN - {"Namespace"}:
                await cluster.apply(body)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts/{install.title}"
    token = (await admin.create(f"{accounts}/token", request))["status"]["token"]
    control, calls = MemoryControl(), Recorded(ApiClient(as_somebody(admin.client.configuration, token)))
    executor = KubernetesExecutor(calls, settings, Policy())
    bench = ClusterBench(control, calls, executor, Relay(control, executor, RelayOptions(50, "test")), settings)
    try:
        await bench.start()
        yield Restricted(bench, calls, admin, install.title)
    finally:
        await bench.stop()
        await admin.close()


def as_somebody(admin: Configuration, token: str) -> Configuration:
    """The same server, as somebody else."""
    configuration = Configuration()
    configuration.host, configuration.ssl_ca_cert = admin.host, admin.ssl_ca_cert
    configuration.ca_cert_data = admin.ca_cert_data
    configuration.api_key = {"BearerToken": f"Bearer {token}"}
    return configuration


async def test_the_rights_of_an_agent_are_enough_and_each_is_used(kubeconfig: str, namespace: str) -> None:
    async with restricted(kubeconfig, namespace) as agent:
        bench, calls = agent.bench, agent.calls
        held = await bench.run(plan(shell("echo enough")), STARTED)
        assert held.output() == b"enough\n"
        kept = Kept(calls, namespace, agent.title)
        assert (await kept.read()).invitation == "mj1.none"
        await kept.keep("me")
        assert await kept.read() == replace(await kept.read(), identity="me", invitation=None)
        claim = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "none",
            "resources": {"requests": {"storage": "1Mi"}},
        }
        mounts = {"volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "{{ pvcs.work.name }}"}}]}
        waiting = Plan("test", (step(1, shell("echo never")),), pvcs={"work": claim}, pod=mounts)  # type: ignore[dict-item, arg-type]
        attempt, _ = await bench.submit(waiting)
        await bench.control.until(lambda: bool(lost(bench, attempt)), STARTED)
        await gone(replace(bench, calls=agent.admin))
        granted = {(kind, verb) for rule in rules(agent.title) for kind in rule["resources"] for verb in rule["verbs"]}
        assert calls.used <= granted
        assert granted - calls.used <= set(_UNUSED_HERE), granted - calls.used


BEYOND: list[tuple[str, str, str]] = [
    ("read its own policy", "GET", "/api/v1/namespaces/{}/configmaps/muster-agent-x-policy"),
    ("write its own policy", "PATCH", "/api/v1/namespaces/{}/configmaps/muster-agent-x-policy"),
    ("change another secret", "PATCH", "/api/v1/namespaces/{}/secrets/another"),
    ("change a pod", "PATCH", "/api/v1/namespaces/{}/pods/any"),
    ("delete secrets in heaps", "DELETE", "/api/v1/namespaces/{}/secrets"),
    ("run something in a pod", "POST", "/api/v1/namespaces/{}/pods/any/exec"),
    ("forward a port", "POST", "/api/v1/namespaces/{}/pods/any/portforward"),
    ("read logs past the conductor", "GET", "/api/v1/namespaces/{}/pods/any/log"),
    ("start another agent", "POST", "/apis/apps/v1/namespaces/{}/deployments"),
    ("grant itself rights", "POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings"),
    ("become another account", "POST", "/api/v1/namespaces/{}/serviceaccounts/default/token"),
    ("open the network", "POST", "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"),
    ("see another namespace", "GET", "/api/v1/namespaces/kube-system/pods"),
    ("read another namespace's secrets", "GET", "/api/v1/namespaces/kube-system/secrets"),
    ("see nodes", "GET", "/api/v1/nodes"),
    ("see namespaces", "GET", "/api/v1/namespaces"),
]


async def test_what_an_agent_may_not(kubeconfig: str, namespace: str) -> None:
    bodies: Mapping[str, Any] = {"POST": {"metadata": {"name": "x"}}, "PATCH": {"metadata": {"labels": {"a": "b"}}}}
    async with restricted(kubeconfig, namespace) as agent:
        plain = Calls(agent.calls.client)
        for what, verb, path in BEYOND:
            with pytest.raises(ApiRefused) as refused:
                await plain._tried(verb, path.format(namespace), None, bodies.get(verb))
            assert refused.value.status == 403, what
