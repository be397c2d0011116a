"""A node that is lost: its kubelet is stopped, so nothing else may run on its cluster meanwhile.

``MUSTER_TEST_KUBELET`` is the process of the kubelet of the first cluster of ``KUBECONFIG``. Runs alone (``make
test-cluster`` does that after everything else).
"""

from __future__ import annotations

import os
import signal

import pytest

from agent.executors.kubernetes.settings import Patience, Reach
from tests.agent.plans import step
from tests.cluster.conftest import bench_on, made_namespace
from tests.cluster.test_causes import LEAVES, unreachable, up, why
from tests.cluster.test_steps import shell
from workflow.plan.nodes import Plan


@pytest.mark.skipif("MUSTER_TEST_KUBELET" not in os.environ, reason="MUSTER_TEST_KUBELET: no kubelet may be stopped")
@pytest.mark.skipif("PYTEST_XDIST_WORKER" in os.environ, reason="others would lose their node too: it runs alone")
@pytest.mark.timeout(400)
async def test_a_node_that_is_lost() -> None:
    kubelet, cluster = int(os.environ["MUSTER_TEST_KUBELET"]), os.environ["KUBECONFIG"].split(":")[0]
    async with (
        made_namespace(cluster) as namespace,
        bench_on(cluster, namespace, reach=Reach.TUNNEL, patience=Patience(removal=5)) as bench,
    ):
        attempt, held = await up(bench, Plan("test", (step(1, shell("echo up; sleep 1000")),), pod=LEAVES))
        os.kill(kubelet, signal.SIGSTOP)
        try:
            async with unreachable(bench, attempt):
                words = await why(bench, attempt)
        finally:
            os.kill(kubelet, signal.SIGCONT)
        assert held.finished is None
        assert "Taint manager" in words and "its node does not confirm it" in words
