"""The pod that is told of before anything runs."""

from __future__ import annotations

from workflow.model import parse_documents
from workflow.plan.build import build
from workflow.pods.ahead import ContainerAhead, Pod, Volume, pod_ahead
from workflow.pods.sharing import MAX_CONTAINERS
from workflow.resolve import resolve

HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata: {name: w}\nspec:\n"


def ahead(body: str) -> Pod:
    return pod_ahead(build(resolve(parse_documents(HEAD + body, "w.yaml").workflows[0], {}, {})))


def test_steps_of_one_spec_share_a_container_and_what_runs_after_a_failure_stands_apart() -> None:
    pod = ahead("  container: {image: a:1}\n  steps: [{shell: x}, {shell: y}, {shell: z, condition: always}]\n")
    assert [(each.name, each.image, each.steps) for each in pod.containers] == [
        ("step-1", "a:1", ("1", "2")),
        ("step-3", "a:1", ("3",)),
    ]


def test_it_asks_for_the_largest_of_its_steps() -> None:
    asks = "{run: {image: %s, shell: x, resources: {requests: {cpu: %s, memory: %s}}}}"
    pod = ahead(f"  steps: [{asks % ('a', '100m', '1Gi')}, {asks % ('b', 1, '500Mi')}]\n")
    assert pod.requests == {"cpu": "1", "memory": "1Gi"}
    assert pod.containers[0].resources == {"requests": {"cpu": "100m", "memory": "1Gi"}}


def test_volumes_mounts_account_and_namespace() -> None:
    pod = ahead(
        "  job: {namespace: tests}\n"
        "  pod:\n"
        "    serviceAccountName: me\n"
        "    volumes: [{name: cache, emptyDir: {}}, {name: keys, secret: {secretName: s}}]\n"
        "  pvcs: {data: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}\n"
        "  container: {volumeMounts: [{name: cache, mountPath: deps}], securityContext: {runAsUser: 7}}\n"
        "  steps: [{shell: x}]\n"
    )
    assert pod.volumes == (Volume("cache", "emptyDir"), Volume("keys", "secret"), Volume("data", "a new claim of 1Gi"))
    assert (pod.service_account, pod.namespace) == ("me", "tests")
    assert pod.containers == (ContainerAhead("step-1", None, ("1",), {}, ("cache at /data/deps",), {"runAsUser": 7}),)


def test_a_pod_that_cannot_be_says_why() -> None:
    steps = ", ".join(f"{{run: {{image: 'i:{number}', shell: x}}}}" for number in range(MAX_CONTAINERS + 1))
    pod = ahead(f"  steps: [{steps}]\n")
    assert pod.containers == () and f"{MAX_CONTAINERS} are the most" in pod.problem


def test_amounts_that_no_cluster_takes() -> None:
    asks = "{shell: x, container: {image: %s, resources: {limits: {cpu: '{{ env.A }}'}}}}"
    pod = ahead(f"  steps: [{asks % 'a'}, {asks % 'b'}]\n")
    assert [each.steps for each in pod.containers] == [("1",), ("2",)]
    assert pod.problem == "'{{ env.A }}' is no quantity"
