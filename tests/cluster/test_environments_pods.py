"""What becomes pods beside the steps, through a whole system on one real cluster: services, workers; and secrets."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import product
from pathlib import Path
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from kubernetes.aio.stream import WsApiClient

from muster.client import Muster
from tests.cluster.fleet import KINDS, Fleet, Site, fleet
from tests.muster.local.test_secrecy import command_lines, holding
from tests.scenarios.test_scenarios import followed
from workflow.journal import Stream
from workflow.states import Verdict
from workflow.views import ExecutionView, LogPrinted, NewRun, RunEnded, RunView

DOCUMENTS = Path(__file__).parent / "documents"
VALUE = "Tr0ub4dor-and-3-in-the-cluster"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dev(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """One environment."""
    async with fleet(tmp_path_factory.mktemp("pods")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def client(dev: Fleet) -> AsyncIterator[Muster]:
    """A client of its control plane."""
    async with dev.client() as made:
        yield made


async def ran(client: Muster, name: str) -> tuple[RunView, str]:
    """A document's run, over, and what it printed."""
    started = await client.submit(NewRun(document=(DOCUMENTS / f"{name}.yaml").read_text()))
    log = await followed(client, started.id)
    return await client.run(started.id), log


def children(run: RunView, kind: str) -> list[ExecutionView]:
    """The run's executions of one kind."""
    return [each for each in run.executions if each.place is not None and each.place.kind == kind]


async def told(client: Muster, run: RunView) -> str:
    """Why it stands so."""
    return " ".join((await client.why(run.id)).sentences)


async def test_services_are_reached_by_address_once_their_probes_answer(client: Muster, dev: Fleet) -> None:
    run, log = await ran(client, "services")
    assert run.verdict is Verdict.PASSED, (await told(client, run), log)
    assert log.count("page of 0\n") == 3 and log.count("page of 1\n") == 1
    assert "the database says row" in log
    assert "web 0 begins" in log and "web 1 begins" in log
    assert len(children(run, "service")) == 4 and len(children(run, "worker")) == 2
    await dev.sites["dev"].emptied()


async def test_a_service_that_is_never_ready_fails_its_step(client: Muster, dev: Fleet) -> None:
    run, log = await ran(client, "unready")
    assert run.verdict is Verdict.FAILED
    assert "never" not in log
    assert "service db.0 was not ready within 5s" in await told(client, run)
    await dev.sites["dev"].emptied()


async def test_files_go_to_workers_and_back_also_of_workers_of_workers(client: Muster, dev: Fleet) -> None:
    run, log = await ran(client, "workers")
    assert run.verdict is Verdict.PASSED, (await told(client, run), log)
    assert "alpha by 0 of 2beta by 0 of 2gamma by 1 of 2" in log.replace("\n", "")
    assert [f"/data/inner-{outer}/{inner}\n" in log for outer, inner in product((0, 1), (0, 1))] == [True] * 4
    assert len(children(run, "worker")) == 2 + 2 + 4
    assert {each.agent for each in run.executions} == {"dev-runner"}
    await dev.sites["dev"].emptied()


async def test_workers_wait_for_each_other(client: Muster, dev: Fleet) -> None:
    run, log = await ran(client, "together")
    assert run.verdict is Verdict.PASSED, (await told(client, run), log)
    workers = children(run, "worker")
    steps = [step for worker in workers for step in worker.steps if step.kind == "run"]
    assert len(workers) == 3 and log.count("begins") == 3
    begun = [moment for worker in workers if (moment := worker.started_at) is not None]
    ended = [moment for step in steps if (moment := step.finished_at) is not None]
    assert len(begun) == len(ended) == 3
    assert min(ended) > max(begun)
    await dev.sites["dev"].emptied()


async def test_a_secret_of_the_cluster_stands_nowhere_in_clear(client: Muster, dev: Fleet, tmp_path: Path) -> None:
    site, state = dev.sites["dev"], dev.system.state.directory
    (tmp_path / "secrets" / "vault").mkdir(parents=True)
    (tmp_path / "secrets" / "vault" / "key").write_text(VALUE)
    await site.give(tmp_path)
    spellings = [VALUE.encode(), *(base64.b64encode(b" " * before + VALUE.encode())[4:-4] for before in range(3))]
    run, heard = await client.submit(NewRun(document=(DOCUMENTS / "secrets.yaml").read_text())), ""
    async with aclosing(client.watch(run.id)) as events:
        async for event in events:
            if isinstance(event, LogPrinted):
                heard += event.log.text
                if event.log.stream is Stream.STDERR:
                    await while_it_runs(site, state, spellings)
                    await go(site)
            if isinstance(event, RunEnded):
                break
    run = await client.run(run.id)
    assert run.verdict is Verdict.PASSED, (await told(client, run), heard)
    assert f"it has {len(VALUE)} bytes: *****, *****, *****" in heard
    assert "to the other side: *****" in heard and "a worker has *****" in heard and VALUE not in heard
    [artifact] = await client.artifacts(run.id)
    content = b"".join([part async for part in client.artifact(artifact.execution, artifact.name)])
    assert content == VALUE.encode(), "an artifact is what the step made of it"
    assert VALUE not in (await client.run(run.id)).model_dump_json()
    found = [path for path in holding(state, spellings) if "blobs" not in str(path)]
    assert not found, f"it stands in {found}"
    assert holding(state, [b"it has %d bytes" % len(VALUE)]), "what is printed is found where it is looked for"


async def while_it_runs(site: Site, state: Path, spellings: list[bytes]) -> None:
    """Look through the cluster's objects and events, this machine's command lines, and what the fleet keeps."""
    objects = await site.objects((*KINDS, "events"), of_executions=False)
    users = [each for each in objects if each["metadata"]["name"] == "vault"]
    text = json.dumps([each for each in objects if each not in users]).encode()
    assert users and b"muster.dev/execution" in text
    for spelling in spellings:
        assert spelling not in text and spelling not in command_lines()
    assert not holding(state, spellings)


async def go(site: Site) -> None:
    """Let the step that waits go on, from inside its pod."""
    [pod] = await site.objects(("pods",))
    words = [("command", word) for word in ("touch", "/data/go")]
    query = urlencode([("container", "conductor"), ("stdout", "true"), ("stderr", "true"), *words])
    path = f"{site.base}/pods/{pod['metadata']['name']}/exec?{query}"
    client = WsApiClient(site.calls.client.configuration)  # type: ignore[no-untyped-call]
    try:
        request = await client.param_serialize("GET", path, auth_settings=["BearerToken"])
        await client.call_api(*request)  # type: ignore[no-untyped-call]
    finally:
        await client.close()  # type: ignore[no-untyped-call]
