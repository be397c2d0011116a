"""The whole of it in real clusters: installed, run, restarted, upgraded, renewed, drained, revoked, taken away."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from agent.executors.kubernetes.calls import Calls
from tests.cluster.conftest import STARTED, calls_to
from tests.cluster.installed import ENVIRONMENTS, PATHS, Plane, identity, kubectl, plane

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

EVERYWHERE = """
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {{name: everywhere}}
spec:
  steps:
    - name: Everywhere
      execute:
        workflows:
{items}
---
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {{name: here}}
spec:
  container: {{image: "busybox:1.36"}}
  steps:
    - name: Say
      shell: echo "it runs as $(id -u)"; head -c 300000 /dev/zero | tr '\\0' x > /data/big.txt
      artifacts: {{paths: [big.txt]}}
"""
WAITS = """
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: waits}
spec:
  container: {image: "busybox:1.36"}
  steps: [{name: Wait, shell: sleep 600}]
"""


class Installed:
    """A control plane, and an agent for each environment, the clusters in turn."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.places: dict[str, tuple[int, str]] = {}
        """Agent -> the number of its cluster, its namespace."""

    async def add(self, agent: str, environment: str, cluster: int) -> str:
        """Create and install one; what the second says."""
        created = await self.plane.muster("agents", "create", agent, "--label", f"environment={environment}")
        assert created.code == 0, created.err
        self.places[agent] = cluster, f"install-{agent}-{secrets.token_hex(3)}"
        done = await self.plane.install(agent, *self.places[agent])
        assert done.code == 0, done.err
        return done.err

    async def calls(self, agent: str) -> tuple[Calls, str]:
        """Its cluster, and its namespace there."""
        cluster, namespace = self.places[agent]
        return await calls_to(PATHS[cluster]), namespace

    async def run(self, document: str, folder: Path, name: str, *more: str, code: int = 0) -> str:
        """Apply a document and run one of its workflows; all that is printed."""
        file = folder / "document.yaml"
        file.write_text(document)
        applied = await self.plane.muster("apply", "-f", str(file))
        assert applied.code == 0, applied.err
        done = await self.plane.muster("run", name, *more)
        assert done.code == code, done.err + done.out
        return done.out + done.err


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installed() -> AsyncIterator[Installed]:
    """The environments' agents, connected."""
    async with AsyncExitStack() as stack:
        made = Installed(await stack.enter_async_context(plane()))
        try:
            for place, environment in enumerate(ENVIRONMENTS):
                said = await made.add(f"{environment}-runner", environment, place % len(PATHS))
                assert f"{environment}-runner is connected: environment={environment}" in said
                assert "pods get their tools by " in said
            yield made
        finally:
            for agent, (cluster, namespace) in made.places.items():
                await made.plane.uninstall(agent, cluster, namespace, "--force")
                calls = await calls_to(PATHS[cluster])
                await calls.delete(f"/api/v1/namespaces/{namespace}")
                await calls.close()


async def test_one_run_through_all_environments(installed: Installed, tmp_path: Path) -> None:
    items = "\n".join(
        f"          - {{name: here, target: {{match: {{environment: [{each}]}}}}}}" for each in ENVIRONMENTS
    )
    said = await installed.run(EVERYWHERE.format(items=items), tmp_path, "everywhere")
    assert said.count("it runs as 1001") == len(ENVIRONMENTS)
    async with installed.plane.client() as client:
        (run,) = await client.runs(workflow="everywhere")
        artifacts = await client.artifacts(run.id)
    assert sorted((each.where, each.name, each.size) for each in artifacts) == sorted(
        (each, "big.txt", 300_000) for each in ENVIRONMENTS
    )


async def test_a_new_pod_is_the_same_agent(installed: Installed) -> None:
    calls, namespace = await installed.calls("dev-runner")
    before = await identity(calls, namespace, "dev-runner")
    pods = f"/api/v1/namespaces/{namespace}/pods"
    query = {"labelSelector": "app.kubernetes.io/name=muster-agent"}
    (old,) = (await calls.get(pods, query) or {})["items"]
    await calls.delete(f"{pods}/{old['metadata']['name']}")
    done = await installed.plane.install("dev-runner", *installed.places["dev-runner"])
    assert done.code == 0, done.err
    (new,) = (await calls.get(pods, query) or {})["items"]
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert await identity(calls, namespace, "dev-runner") == before
    await calls.close()


async def test_installed_again_nothing_changes_and_nobody_is_invited(installed: Installed) -> None:
    calls, namespace = await installed.calls("staging-runner")
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/muster-agent-staging-runner"
    before, mine = await calls.get(path), await identity(calls, namespace, "staging-runner")
    done = await installed.plane.install("staging-runner", *installed.places["staging-runner"], command="upgrade")
    assert done.code == 0, done.err
    after = await calls.get(path)
    assert before is not None and after is not None
    assert before["metadata"]["generation"] == after["metadata"]["generation"]
    assert await identity(calls, namespace, "staging-runner") == mine
    await calls.close()


async def test_a_policy_guards_the_cluster_and_outlives_upgrades(installed: Installed, tmp_path: Path) -> None:
    agent, policy = "staging-runner", tmp_path / "policy.toml"
    policy.write_text('images = ["registry.example.com/*"]\n')
    done = await installed.plane.install(agent, *installed.places[agent], "--policy", str(policy))
    assert done.code == 0, done.err
    again = await installed.plane.install(agent, *installed.places[agent])
    assert again.code == 0, again.err
    target = ("--target", "environment=staging")
    said = await installed.run(WAITS.replace("sleep 600", "echo never"), tmp_path, "waits", *target, code=3)
    assert "images: busybox:1.36" in said
    policy.write_text('images = ["*"]\n')
    assert (await installed.plane.install(agent, *installed.places[agent], "--policy", str(policy))).code == 0
    assert "never" in await installed.run(WAITS.replace("sleep 600", "echo never"), tmp_path, "waits", *target)


async def test_what_runs_goes_on_over_an_upgrade(installed: Installed, tmp_path: Path) -> None:
    plane, agent = installed.plane, "dev-runner"
    lines = "for i in $(seq 150); do echo line $i; sleep 0.1; done"
    (tmp_path / "long.yaml").write_text(WAITS.replace("name: waits", "name: long").replace("sleep 600", f'"{lines}"'))
    started = await plane.muster("run", str(tmp_path / "long.yaml"), "--target", "environment=dev", "--detach")
    assert started.code == 0, started.err
    async with plane.client() as client:
        (run,) = await client.runs(workflow="long")
        while not [each async for each in client.logs(run.id) if "line 10" in each.text]:
            await asyncio.sleep(0.2)
        policy = tmp_path / "policy.toml"
        policy.write_text('images = ["*"]  # said otherwise, so that there is a new pod\n')
        done = await plane.install(agent, *installed.places[agent], "--policy", str(policy))
        assert done.code == 0, done.err
        async with asyncio.timeout(STARTED):
            while (run := await client.run(run.id)).finished_at is None:
                await asyncio.sleep(0.3)
        assert (run.verdict.value, [each.attempt for each in run.executions]) == ("passed", [1])
        text = "".join([each.text async for each in client.logs(run.id)])
    assert text.split("\n") == [*(f"line {number}" for number in range(1, 151)), ""]


async def test_a_certificate_that_is_due_is_renewed_and_kept(installed: Installed) -> None:
    calls, namespace = await installed.calls("prod-runner")
    before = await identity(calls, namespace, "prod-runner")
    old = {**before, "received": before["received"] - before["life"] * 0.8}  # as if most of its life were over
    data = {"identity.json": base64.b64encode(json.dumps(old).encode()).decode()}
    await calls.merge(f"/api/v1/namespaces/{namespace}/secrets/muster-agent-prod-runner", {"data": data})
    await kubectl(
        installed.places["prod-runner"][0],
        "-n",
        namespace,
        "delete",
        "pod",
        "-l",
        "app.kubernetes.io/name=muster-agent",
    )
    async with asyncio.timeout(STARTED):
        while (now := await identity(calls, namespace, "prod-runner"))["chain"] == before["chain"]:
            await asyncio.sleep(0.3)
    assert now["key"] != before["key"] and now["received"] > before["received"]
    done = await installed.plane.install("prod-runner", *installed.places["prod-runner"])
    assert done.code == 0, done.err
    await calls.close()


async def test_agent_and_control_plane_run_as_the_manifests_say(installed: Installed) -> None:
    cluster, namespace = installed.places["dev-runner"]
    script = (
        "id -u; touch /opt/x 2>&1; touch /usr/x 2>&1; grep -E '^(NoNewPrivs|Seccomp|CapEff|CapBnd):' /proc/1/status; "
        "ls /var/run/secrets/kubernetes.io 2>&1; true"
    )
    sh = ("--", "/usr/local/bin/busybox", "sh", "-c", script)
    agent = await kubectl(cluster, "-n", namespace, "exec", "deploy/muster-agent-dev-runner", *sh)
    plane = await kubectl(len(PATHS) - 1, "-n", installed.plane.namespace, "exec", "muster-control-plane-0", *sh)
    for said in (agent, plane):
        assert said.startswith("1001\n")
        assert said.count("Read-only file system") == 2
        facts = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
        assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
        assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
    assert "serviceaccount" in agent and "No such file" in plane  # the control plane is nobody in its cluster


async def test_drained_revoked_and_taken_away(installed: Installed, tmp_path: Path) -> None:
    plane, agent = installed.plane, "spare-runner"
    await installed.add(agent, "spare", 0)
    cluster, namespace = installed.places[agent]
    (tmp_path / "waits.yaml").write_text(WAITS)
    started = await plane.muster("run", str(tmp_path / "waits.yaml"), "--target", "environment=spare", "--detach")
    assert started.code == 0, started.err
    await plane.until(agent, lambda view: view.load == 1)
    assert "1 executions still run there" in (await plane.muster("agents", "drain", agent)).err
    (tmp_path / "brief.yaml").write_text(
        WAITS.replace("name: waits", "name: brief").replace("sleep 600", "echo it takes work")
    )
    await plane.muster("run", str(tmp_path / "brief.yaml"), "--target", "environment=spare", "--detach")
    async with asyncio.timeout(STARTED):
        while "draining" not in (await plane.muster("why", "brief-1")).out:
            await asyncio.sleep(0.2)
    assert "takes work again" in (await plane.muster("agents", "undrain", agent)).err
    assert "it takes work" in (await plane.muster("logs", "brief-1", "--follow")).out

    refused = await plane.uninstall(agent, cluster, namespace)
    assert (refused.code, "1 executions run on spare-runner" in refused.err) == (2, True), refused.err

    assert (await plane.muster("agents", "revoke", agent)).code == 0
    await plane.until(agent, lambda view: not view.connected)
    calls = await calls_to(PATHS[cluster])
    pods, secret = (f"/api/v1/namespaces/{namespace}/{each}" for each in ("pods", f"secrets/muster-agent-{agent}"))
    async with asyncio.timeout(STARTED):
        while "was revoked" not in str(await calls.get(pods)):  # its own last words, in what the cluster shows
            await asyncio.sleep(0.3)
    refused = await plane.install(agent, cluster, namespace)
    assert (refused.code, "agent spare-runner was revoked" in refused.err) == (2, True), refused.err

    before = base64.b64decode((await calls.get(secret) or {})["data"]["identity.json"])
    assert (await plane.muster("agents", "create", agent, "--label", "environment=spare")).code == 0
    again = await plane.install(agent, cluster, namespace)
    assert (again.code, "spare-runner is connected" in again.err) == (0, True), again.err
    assert await identity(calls, namespace, agent) != json.loads(before)
    await plane.until(agent, lambda view: view.load == 1)  # what ran there was found again

    done = await plane.uninstall(agent, cluster, namespace, "--force")
    assert done.code == 0, done.err
    assert f"namespace {namespace} held nothing else and goes too" in done.err
    async with asyncio.timeout(STARTED):
        while await calls.get(f"/api/v1/namespaces/{namespace}") is not None:
            await asyncio.sleep(0.3)
    await calls.close()


async def test_kept_it_is_the_same_agent_when_it_comes_back(installed: Installed) -> None:
    plane, agent = installed.plane, "kept-runner"
    await installed.add(agent, "kept", 0)
    cluster, namespace = installed.places[agent]
    calls = await calls_to(PATHS[cluster])
    before = await identity(calls, namespace, agent)
    done = await plane.uninstall(agent, cluster, namespace, "--keep")
    assert (done.code, f"left: secret muster-agent-{agent}" in done.err) == (0, True), done.err
    await plane.until(agent, lambda view: not view.connected and view.state == "active")
    assert (await plane.install(agent, cluster, namespace)).code == 0
    assert await identity(calls, namespace, agent) == before
    await calls.close()
