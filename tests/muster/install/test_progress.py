"""What is said of a deployment on its way: tables of what a cluster shows."""

from __future__ import annotations

from typing import Any

import pytest

from muster.install.progress import Progress, progress

DEPLOYED: dict[str, Any] = {"metadata": {"generation": 2}, "status": {"observedGeneration": 2, "replicas": 1}}


def deployed(**status: Any) -> dict[str, Any]:
    return {**DEPLOYED, "status": {**DEPLOYED["status"], **status}}


def pod(**status: Any) -> dict[str, Any]:
    metadata = {"name": "agent-1", "creationTimestamp": "2026-01-02T00:00:00Z"}
    return {"metadata": metadata, "status": {"phase": "Pending", **status}}


def container(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return pod(phase="Running", containerStatuses=[{"state": state, "ready": False, **more}])


OLD = {"metadata": {"name": "agent-0", "deletionTimestamp": "now", "creationTimestamp": "2026"}, "status": {}}
WARNED = {"type": "Warning", "reason": "FailedMount", "message": "no such", "involvedObject": {"name": "agent-1"}}


@pytest.mark.parametrize(
    ("deployment", "pods", "events", "expected"),
    [
        (None, [], [], Progress(False, "the deployment")),
        (
            {"metadata": {"generation": 3}, "status": {"observedGeneration": 2}},
            [],
            [],
            Progress(False, "the cluster to take notice of the deployment"),
        ),
        (
            deployed(conditions=[{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: x"}]),
            [],
            [],
            Progress(False, "the cluster makes no pod: exceeded quota: x", True),
        ),
        (deployed(), [], [], Progress(False, "the pod to be made")),
        (deployed(), [OLD], [], Progress(False, "the pod before it to end")),
        (deployed(updatedReplicas=1, availableReplicas=1), [pod(phase="Running")], [], Progress(True, "")),
        (deployed(updatedReplicas=1, availableReplicas=1), [OLD], [], Progress(False, "the pod before it to end")),
        (deployed(), [pod()], [], Progress(False, "pod agent-1 to start")),
        (
            deployed(),
            [pod()],
            [WARNED, {**WARNED, "reason": "MissingClusterDNS", "lastTimestamp": "2027"}],
            Progress(False, "pod agent-1 does not start: FailedMount: no such", True),
        ),
        (
            deployed(),
            [pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}])],
            [],
            Progress(False, "no node takes pod agent-1: 0/1 nodes", True),
        ),
        (
            deployed(),
            [container({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})],
            [],
            Progress(False, "ImagePullBackOff: no such image", True),
        ),
        (
            deployed(),
            [container({"waiting": {"reason": "ErrImageNeverPull", "message": "not here"}})],
            [],
            Progress(False, "ErrImageNeverPull: not here", True, True),
        ),
        (
            deployed(),
            [container({"terminated": {"reason": "Error", "exitCode": 2, "message": "a\nmuster agent: no way\nb\n"}})],
            [],
            Progress(False, "the agent ended: no way", True),
        ),
        (
            deployed(),
            [
                container(
                    {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                    lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}},
                )
            ],
            [],
            Progress(False, "the agent ended: OOMKilled, exit code 137", True),
        ),
        (
            deployed(),
            [container({"running": {}}, lastState={"terminated": {"message": "it was late"}})],
            [],
            Progress(False, "the agent to connect; before, it ended: it was late", True),
        ),
        (deployed(), [container({"running": {}})], [], Progress(False, "the agent to connect")),
        (
            deployed(),
            [pod(phase="Failed", reason="Evicted", message="The node was low on memory")],
            [],
            Progress(False, "pod agent-1 is no more: The node was low on memory", True),
        ),
    ],
)
def test_what_is_said(
    deployment: dict[str, Any] | None, pods: list[dict[str, Any]], events: list[dict[str, Any]], expected: Progress
) -> None:
    assert progress(deployment, pods, events) == expected
