"""What is remembered of pods: little, and enough for everything that is said of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.executors.kubernetes import symptoms
from agent.executors.kubernetes.naming import attempt_of, identity
from agent.executors.kubernetes.settings import Patience
from agent.executors.kubernetes.watching import Pods, kept
from tests.agent.plans import attempt

OF = attempt(name="exec-1")
STATES: dict[str, dict[str, Any]] = {
    "up": {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "containerStatuses": [{"name": "conductor", "state": {"running": {}}}],
    },
    "evicted": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
    "unschedulable": {
        "phase": "Pending",
        "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}
        ],
    },
    "killed": {
        "phase": "Running",
        "containerStatuses": [
            {"name": "conductor", "state": {"running": {}}},
            {"name": "step-1", "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}},
        ],
    },
}


def told(status: dict[str, Any]) -> dict[str, Any]:
    """A pod as the API server tells it."""
    mounts = [{"name": f"v{number}", "mountPath": f"/v{number}"} for number in range(20)]
    return {
        "metadata": {
            "name": "muster-exec-1-1",
            "namespace": "tests",
            "uid": "u",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {**identity(OF), "somebodys": "x" * 5000},
            "managedFields": [{"fieldsV1": {f"f:{number}": {} for number in range(200)}}],
        },
        "spec": {
            "containers": [{"name": "conductor", "volumeMounts": mounts}],
            "volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "persistentVolumeClaim": {"claimName": "c"}}],
        },
        "status": status,
    }


@pytest.mark.parametrize("name", STATES)
def test_what_is_remembered_says_the_same(name: str) -> None:
    pod, patience = told(STATES[name]), Patience()
    little = kept(pod)
    for now in (1767225601.0, 1767325600.0):
        assert symptoms.state(little, now, patience) == symptoms.state(pod, now, patience)
        assert list(symptoms.casualties(little, now, patience)) == list(symptoms.casualties(pod, now, patience))
    assert symptoms.ending(little) == symptoms.ending(pod)
    assert attempt_of(little["metadata"]["annotations"]) == OF
    assert kept(little) == little


def test_it_is_little() -> None:
    assert len(json.dumps(kept(told(STATES["up"])))) < 700


def test_pods_that_are_gone_are_forgotten_some_time() -> None:
    pods = Pods()
    for number in range(1, 1200):
        of = attempt(number, "exec-1")
        pods.put(of, told(STATES["up"]))
        pods.drop(of)
    assert not pods.now and 100 <= len(pods.last) <= 1000
