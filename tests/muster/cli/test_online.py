"""``muster lint --online`` and ``plan --online``: what a control plane knows of its agents."""

from __future__ import annotations

import json
from dataclasses import replace

from control_plane.ports.store import Unit
from tests.control_plane.world import World
from tests.muster.cli.conftest import Prompt

DOCUMENT = """\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: w}
spec:
  container: {image: 'node:20'}
  execution: {target: {match: {environment: [qa]}}}
  steps: [{shell: 'true'}]
"""


async def test_targets_are_held_against_the_agents_there_are(muster: Prompt) -> None:
    done = await muster("lint", "-", "--online", given=DOCUMENT)
    assert done.exit_code == 0
    assert "6:23: warning: waits for environment=qa: 0 of 3 agents match" in done.stderr


async def test_the_agents_that_match_are_named(muster: Prompt) -> None:
    given = DOCUMENT.replace("qa", "dev")
    assert "matching agents: dev-runner" in (await muster("plan", "-", "--online", given=given)).stdout
    tree = json.loads((await muster("plan", "-", "--online", "-o", "json", given=given)).stdout)
    assert tree["where"]["agents"] == ["dev-runner"]


async def test_images_where_no_agent_has_containers(muster: Prompt, world: World) -> None:
    await executors(world, dev="process", staging="process", prod="kubernetes")
    assert "cannot use the image" not in (await muster("lint", "-", "--online", given=DOCUMENT)).stderr
    await executors(world, prod="process")
    assert (
        "5:22: warning: the process executor cannot use the image 'node:20'"
        in (await muster("lint", "-", "--online", given=DOCUMENT)).stderr
    )


async def executors(world: World, **kinds: str) -> None:
    def work(unit: Unit) -> None:
        for row in unit.fleet.list():
            kind = kinds.get(row.name.removesuffix("-runner"), row.executor)
            unit.fleet.put(replace(row, executor=kind))

    await world.store.write(work)
