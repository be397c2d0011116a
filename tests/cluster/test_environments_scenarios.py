"""Every scenario, the seeds' among them, in pods of real clusters: what holds for processes must hold there."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.cluster.fleet import Fleet, Site, fleet
from tests.cluster.repository import served
from tests.scenarios.test_scenarios import NAMES, played

PATIENCE = 5
"""How much longer a scenario may take: pods start, on machines that have much else to do."""
STAND_INS = ("seed-1-sharding", "seed-3-concurrency", "seed-4-matrix")
"""Those that need npm and npx, without a registry: see tests.cluster."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Stage:
    """A fleet, and the repository that its scenarios clone."""

    fleet: Fleet
    repository: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Three environments with the secrets and config maps of the scenarios, and a repository in the first."""
    folder, repositories = tmp_path_factory.mktemp("scenarios"), []

    async def prepared(site: Site) -> None:
        given = folder / "references" / site.environment
        for path, value in {
            "secrets/api/token": f"s3cr3t-value-of-{site.environment}",
            "configmaps/settings/region": f"{site.environment}-region",
        }.items():
            (given / path).parent.mkdir(parents=True, exist_ok=True)
            (given / path).write_text(value)
        await site.give(given)
        repositories.append(await served(site))

    async with fleet(folder, 3, prepared) as made:
        yield Stage(made, repositories[0])


@pytest.mark.parametrize("name", NAMES)
async def test_scenario_in_pods(name: str, stage: Stage) -> None:
    if name in STAND_INS and not os.environ.get("MUSTER_TEST_STAND_INS"):
        pytest.skip("MUSTER_TEST_STAND_INS is not set: the nodes have no images in which npm and npx are stood in for")
    async with stage.fleet.client() as client:
        await played(name, client, stage.repository, PATIENCE)
