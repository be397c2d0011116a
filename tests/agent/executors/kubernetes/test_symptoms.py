"""Pods as a cluster shows them, and what is said of each. The texts are those of kubelets, schedulers and quotas."""

from __future__ import annotations

from typing import Any

import pytest

from agent.executors.kubernetes.settings import Patience
from agent.executors.kubernetes.symptoms import Casualty, Coming, Gone, State, Up, casualties, leaving, state, troubled

CREATED = "2026-01-01T00:00:00Z"
BORN = 1767225600.0
TAINT = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "DeletionByTaintManager",
    "message": "Taint manager: deleting due to NoExecute taint",
}
PATIENCE = Patience(pull=120, pending=600)


def pod(
    phase: str = "Pending", *containers: dict[str, Any], metadata: dict[str, Any] | None = None, **status: Any
) -> dict[str, Any]:
    """A pod."""
    whole = {"phase": phase, "containerStatuses": list(containers), **status}
    return {"metadata": {"creationTimestamp": CREATED, **(metadata or {})}, "status": whole}


def container(
    name: str = "conductor", kind: str = "running", last: dict[str, Any] | None = None, restarts: int = 0, **of: Any
) -> dict[str, Any]:
    """A container's status."""
    return {
        "name": name,
        "state": {kind: of},
        "lastState": {"terminated": last} if last else {},
        "restartCount": restarts,
    }


UNSCHEDULABLE: dict[str, Any] = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient cpu.",
}
PULL: dict[str, Any] = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x:1"'}


@pytest.mark.parametrize(
    ("shown", "after", "expected"),
    [
        (pod(), 1, Coming()),
        (pod("Pending", container(kind="waiting", reason="ContainerCreating")), 1, Coming()),
        (pod("Running", container(), podIP="10.1.2.3"), 1, Up("10.1.2.3")),
        (pod("Running", container()), 1, Coming()),
        (
            pod("Running", container(), podIP="10.1.2.3", metadata={"deletionTimestamp": CREATED}),
            1,
            Up("10.1.2.3"),
        ),
        (pod(metadata={"deletionTimestamp": CREATED}), 1, Gone("the pod is gone: it was deleted")),
        (pod(conditions=[UNSCHEDULABLE]), 1, Coming("Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.")),
        (
            pod(conditions=[UNSCHEDULABLE]),
            601,
            Gone(
                "it did not start within 600 s: Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.",
                overdue=True,
            ),
        ),
        (
            pod("Pending", container(kind="waiting", **PULL)),
            60,
            Coming('ImagePullBackOff: Back-off pulling image "x:1"'),
        ),
        (
            pod("Pending", container(kind="waiting", **PULL)),
            121,
            Gone('ImagePullBackOff: Back-off pulling image "x:1"', overdue=True),
        ),
        (
            pod("Pending", container(kind="waiting", reason="InvalidImageName", message="couldn't parse")),
            1,
            Gone("InvalidImageName: couldn't parse"),
        ),
        (
            pod("Failed", reason="Evicted", message="The node was low on resource: memory."),
            1,
            Gone("Evicted: The node was low on resource: memory."),
        ),
        (
            pod("Failed", reason="DeadlineExceeded", message="Pod was active on the node longer than specified"),
            1,
            Gone("DeadlineExceeded: Pod was active on the node longer than specified"),
        ),
        (
            pod("Failed", container(kind="terminated", reason="OOMKilled", exitCode=137)),
            1,
            Gone("the conductor is gone: its container ended: OOMKilled, exit code 137"),
        ),
        (
            pod(
                "Failed",
                conditions=[
                    {
                        "type": "DisruptionTarget",
                        "status": "True",
                        "reason": "PreemptionByScheduler",
                        "message": "default-scheduler: preempting to accommodate a higher priority pod",
                    }
                ],
            ),
            1,
            Gone("PreemptionByScheduler: default-scheduler: preempting to accommodate a higher priority pod"),
        ),
        (
            pod("Running", container(kind="waiting", last={"exitCode": 137, "finishedAt": "2026-01-01T00:05:00Z"})),
            310,
            Coming("the conductor's container is started again after ended, exit code 137"),
        ),
        (
            pod("Running", container(kind="waiting", last={"exitCode": 137, "finishedAt": "2026-01-01T00:05:00Z"})),
            430,
            Gone(
                "the conductor is gone: its container ended and does not come back: ended, exit code 137", overdue=True
            ),
        ),
        (
            pod("Succeeded", container(kind="terminated", exitCode=0)),
            1,
            Gone("the conductor is gone: its container ended"),
        ),
        (
            pod(
                "Failed",
                container(kind="terminated", exitCode=137, reason="Error"),
                metadata={"deletionTimestamp": CREATED},
            ),
            1,
            Gone("the pod is gone: it was deleted"),
        ),
        (pod(), 601, Gone("it did not start within 600 s", overdue=True, explained=False)),
        (
            pod("Running", container(), podIP="10.1.2.3", metadata={"deletionTimestamp": CREATED}, conditions=[TAINT]),
            41,
            Gone(
                "DeletionByTaintManager: Taint manager: deleting due to NoExecute taint; its node does not confirm it",
                overdue=True,
            ),
        ),
    ],
)
def test_where_a_pod_stands(shown: dict[str, Any], after: float, expected: State) -> None:
    assert state(shown, BORN + after, PATIENCE) == expected


@pytest.mark.parametrize(
    ("shown", "after", "expected"),
    [
        (container("step-1"), 1, None),
        (container("step-1", "waiting", **PULL), 60, None),
        (
            container("step-1", "waiting", **PULL),
            121,
            Casualty("step-1", 'ImagePullBackOff: Back-off pulling image "x:1"', True),
        ),
        (
            container("step-1", last={"reason": "OOMKilled", "exitCode": 137}, restarts=1),
            1,
            Casualty("step-1", "OOMKilled, exit code 137", False),
        ),
        (
            container("step-1", "terminated", reason="StartError", exitCode=128, message="no such file"),
            1,
            Casualty("step-1", "StartError, exit code 128: no such file", True),
        ),
        (container("step-1", "terminated", reason="Completed", exitCode=0), 1, None),
        (container("conductor", "terminated", reason="Error", exitCode=1), 1, None),
    ],
)
def test_what_a_conductor_should_know(shown: dict[str, Any], after: float, expected: Casualty | None) -> None:
    assert list(casualties(pod("Running", shown), BORN + after, PATIENCE)) == ([expected] if expected else [])


def test_of_which_pods_there_may_be_something_to_say() -> None:
    beginning = container("step-1", kind="waiting", reason="ContainerCreating")
    assert not troubled(pod("Running", container(), beginning)) and not troubled({})
    assert troubled(pod("Running", container(), container("step-1", kind="waiting", **PULL)))
    assert troubled(pod("Running", container(), metadata={"deletionTimestamp": CREATED}))


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (pod("Running", container()), ""),
        (pod("Running", container(), metadata={"deletionTimestamp": CREATED}), "it was deleted"),
        (
            pod("Running", container(), metadata={"deletionTimestamp": CREATED}, conditions=[TAINT]),
            "DeletionByTaintManager: Taint manager: deleting due to NoExecute taint",
        ),
        (pod("Running", container(), conditions=[{**TAINT, "status": "False"}]), ""),
        ({}, ""),
    ],
)
def test_why_a_pod_is_to_end(of: dict[str, Any], words: str) -> None:
    assert leaving(of) == words
    assert troubled(of) is bool(words)
