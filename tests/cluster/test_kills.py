"""An agent that is killed (SIGKILL) at each request that it makes of a real API server, and started again: it adopts,
the verdict is right, every line is there once and in order, and nothing of it is left in the cluster."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cluster.conftest import calls_to
from tests.contracts.killing.bench import Ground, Moment, killing_ground
from tests.contracts.killing.scenes import (
    ADOPTION,
    END,
    LAUNCH,
    frozen_for_longer_than_its_lease,
    killed_once,
    killed_while_adopting,
    killed_while_it_prints,
    undisturbed,
)

LATE = {"GET pods", "LIST events"}
"""What is looked at besides where a pod is slow to come: on a machine with much else to do."""
VOLUMES = 3
"""As many as attempts may want claims."""


@pytest.fixture
async def ground(kubeconfig: str, namespace: str, tmp_path: Path) -> AsyncIterator[Ground]:
    """An agent outside of the cluster, whose every conversation goes through the API server."""
    calls = await calls_to(kubeconfig)
    capacity = {"capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": namespace}
    names = [f"{namespace}-{number}" for number in range(VOLUMES)]
    claim = (
        f"{{accessModes: [ReadWriteOnce], storageClassName: {namespace}, resources: {{requests: {{storage: 1Mi}}}}}}"
    )
    mounted = "pod: {volumes: [{name: v, persistentVolumeClaim: {claimName: '{{ pvcs.mine.name }}'}}]}"
    cluster = {
        "image": os.environ["MUSTER_TEST_IMAGE"],
        "pull-policy": "IfNotPresent",
        "grace": 3,
        "reach": "tunnel",
    }
    try:
        for name in names:
            host = {"hostPath": {"path": f"/tmp/{name}", "type": "DirectoryOrCreate"}}
            body = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}}
            await calls.create("/api/v1/persistentvolumes", {**body, "spec": {**capacity, **host}})
        pvcs = f"pvcs: {{mine: {claim}}}\n  {mounted}"
        async with killing_ground(tmp_path, calls.client.configuration, namespace, cluster, pvcs) as made:
            yield made
    finally:
        for name in names:
            await calls.delete(f"/api/v1/persistentvolumes/{name}")
        await calls.close()


async def test_the_table_holds_every_request_of_an_undisturbed_run(ground: Ground) -> None:
    assert await undisturbed(ground) - LATE == {*LAUNCH, *END, *ADOPTION}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("point", [*LAUNCH, *END])
async def test_an_agent_killed_while_it_launches_or_ends(ground: Ground, point: str, moment: Moment) -> None:
    await killed_once(ground, point, moment)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("point", ADOPTION)
async def test_an_agent_killed_while_it_adopts(ground: Ground, point: str, moment: Moment) -> None:
    await killed_while_adopting(ground, point, moment)


@pytest.mark.timeout(300)
async def test_an_agent_killed_again_and_again_while_a_step_prints(ground: Ground) -> None:
    await killed_while_it_prints(ground)


@pytest.mark.timeout(300)
async def test_an_agent_that_stands_still_for_longer_than_its_lease(ground: Ground) -> None:
    await frozen_for_longer_than_its_lease(ground)
