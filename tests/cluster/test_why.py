"""``muster why`` on a real cluster: what the cluster says of a pod reaches who asks, while it waits and afterwards."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from muster.client import Muster
from tests.cluster.conftest import STARTED, calls_to
from tests.contracts.killing.bench import Ground, killing_ground
from workflow.views import Explanation, NewRun

DOCUMENT = """\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: waiting}
spec:
  POD
  steps:
    - {name: Never, container: {image: "registry.invalid/none:1"}, shell: echo never}
"""


@pytest.fixture
async def ground(kubeconfig: str, namespace: str, tmp_path: Path) -> AsyncIterator[Ground]:
    """An agent as a program."""
    calls = await calls_to(kubeconfig)
    more = {"image": os.environ["MUSTER_TEST_IMAGE"], "pull-policy": "IfNotPresent", "grace": 3}
    async with killing_ground(tmp_path, calls.client.configuration, namespace, more) as made:
        yield made
    await calls.close()


async def noted(client: Muster, run: str, words: str) -> Explanation:
    """Ask until the cluster's words are there."""
    async with asyncio.timeout(STARTED):
        while True:
            told = await client.why(run)
            if any(words in note for note in told.notes):
                return told
            await asyncio.sleep(0.2)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("pod", "words"),
    [
        ("pod: {nodeSelector: {no: where}}", "Warning FailedScheduling: 0/"),
        ("pod: {}", 'Failed to pull image "registry.invalid/none:1"'),
    ],
)
async def test_what_a_pod_waits_for(ground: Ground, pod: str, words: str) -> None:
    run = await ground.client.submit(NewRun(document=DOCUMENT.replace("POD", pod)))
    told = await noted(ground.client, run.id, words)
    assert told.sentences[0].startswith("waiting-1")
    await ground.client.cancel(run.id)
    async with asyncio.timeout(STARTED):
        while await ground.left():
            await asyncio.sleep(0.2)
