"""What an agent is given in a cluster is accepted there, and is enough for its work."""

from __future__ import annotations

from dataclasses import replace

from kubernetes.aio.client import ApiClient, Configuration

from agent.executors.kubernetes.calls import Calls
from agent.executors.kubernetes.executor import KubernetesExecutor
from agent.executors.kubernetes.policy import Policy
from agent.relay import Relay, RelayOptions
from muster.install import Install, agent_manifests
from tests.agent.plans import plan
from tests.cluster.conftest import ClusterBench, calls_to, settings_for
from tests.cluster.test_agent import gone
from tests.cluster.test_steps import shell
from tests.fakes.control import MemoryControl

_PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
}


async def test_the_rights_of_an_agent_are_enough(kubeconfig: str, namespace: str) -> None:
    admin, settings = await calls_to(kubeconfig), settings_for(namespace)
    install = Install(settings.agent, namespace, settings.image, invitation="mj1.none")
    for body in agent_manifests(install):
        if body["kind"] != "Namespace":
            dry = "" if body["kind"] in {"ServiceAccount", "Role", "RoleBinding"} else "?dryRun=All"
            await admin.create(_PATHS[body["kind"]].format(namespace) + dry, body)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    accounts = _PATHS["ServiceAccount"].format(namespace)
    token = (await admin.create(f"{accounts}/{install.title}/token", request))["status"]["token"]
    configuration: Configuration = replace_token(admin.client.configuration, token)
    control = MemoryControl()
    calls = Calls(ApiClient(configuration))
    executor = KubernetesExecutor(calls, replace(settings), Policy())
    bench = ClusterBench(control, calls, executor, Relay(control, executor, RelayOptions(50, "test")), settings)
    try:
        await bench.start()
        held = await bench.run(plan(shell("echo enough")))
        assert held.output() == b"enough\n"
        await gone(replace(bench, calls=admin))
    finally:
        await bench.stop()
        await admin.close()


def replace_token(admin: Configuration, token: str) -> Configuration:
    """The same server, as somebody else."""
    configuration = Configuration()
    configuration.host, configuration.ssl_ca_cert = admin.host, admin.ssl_ca_cert
    configuration.ca_cert_data = admin.ca_cert_data
    configuration.api_key = {"BearerToken": f"Bearer {token}"}
    return configuration
