"""The people's API: what each endpoint answers, and how it says no."""

from __future__ import annotations

import json

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from control_plane.ports.records import Actor, DocumentKind, DocumentRow
from control_plane.ports.store import Conflict, Unavailable
from tests.control_plane.services.test_comparison import report
from tests.control_plane.web.server import Played
from tests.control_plane.world import T0, World
from workflow.identifiers import ExecutionId, RunId
from workflow.labels import BadTarget
from workflow.problems import InvalidDocument, Position, Problem
from workflow.states import ExecutionState, Verdict
from workflow.views import NewRun


async def finished(world: World) -> tuple[RunId, list[ExecutionId]]:
    run = await world.run()
    executions = [await world.execution(run, where) for where in ("dev", "prod")]
    for execution in executions:
        bad = execution is executions[1]
        await world.prints(execution, "1", f"hello from {execution} ä\n")
        await world.steps(execution, {"1": int(bad)})
        await world.artifact(execution, "out/junit.xml", report(cart=not bad))
        await world.ends(execution, ExecutionState.FAILED if bad else ExecutionState.PASSED)
    await world.run_ends(run, Verdict.FAILED)
    return run, executions


# --- runs --------------------------------------------------------------------------------------------------------


async def test_a_run_is_submitted(http: httpx.AsyncClient, played: Played) -> None:
    body = {"document": "kind: x", "file": "f.yaml", "config": {"a": 1}, "tags": {"t": "v"}, "key": "k"}
    answer = await http.post("/v1/runs", json=body)
    assert answer.status_code == 201
    assert answer.json()["name"] == "every-1"
    assert answer.json()["executions"][0]["state"] == "queued"
    ((_, new, actor),) = played.heard  # type: ignore[misc]
    assert (new.document, new.file, new.config, new.tags, new.key, actor) == (  # type: ignore[has-type]
        "kind: x",
        "f.yaml",
        {"a": 1},
        {"t": "v"},
        "k",
        "user",
    )


async def test_all_problems_of_a_document_are_told(http: httpx.AsyncClient, played: Played) -> None:
    one = Problem("unknown-field", "unknown field 'shel'", Position("f.yaml", 3, 5), hint="did you mean shell?")
    played.fails = InvalidDocument([one, Problem("bad", "wrong", Position("f.yaml", 9, 1))])
    answer = await http.post("/v1/runs", json={"document": "x"})
    assert answer.status_code == 422
    body = answer.json()
    assert body["error"] == "the document has 2 problems"
    assert body["problems"][0] == {
        "file": "f.yaml",
        "line": 3,
        "column": 5,
        "code": "unknown-field",
        "message": "unknown field 'shel'",
        "hint": "did you mean shell?",
        "severity": "error",
    }


@pytest.mark.parametrize(
    ("fails", "status"),
    [
        (BadTarget("a target has no field 'x'"), 400),
        (ValueError("an idempotency key has 1 to 200 characters"), 400),
        (LookupError("there is no workflow 'x'"), 404),
        (Conflict("the key was used for another run"), 409),
        (Unavailable("the disk is full", 2.0), 503),
    ],
)
async def test_refusals_are_sentences(http: httpx.AsyncClient, played: Played, fails: Exception, status: int) -> None:
    played.fails = fails
    answer = await http.post("/v1/runs", json={"workflow": "x"})
    assert answer.status_code == status
    assert answer.json()["error"] == str(fails)
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "needs a document"),
        ({"documnt": "x"}, "documnt"),
        ({"workflow": 3}, "workflow"),
        ({"workflow": "a", "tags": {"a": {}}}, "tags.a"),
    ],
)
async def test_a_wrong_body_is_told_by_field(
    http: httpx.AsyncClient, played: Played, body: dict[str, object], said: str
) -> None:
    answer = await http.post("/v1/runs", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert not played.heard


async def test_no_json_is_told(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/runs", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "JSON" in answer.json()["error"]


async def test_runs_are_listed_and_shown_by_id_and_name(http: httpx.AsyncClient, world: World) -> None:
    run, executions = await finished(world)
    (listed,) = (await http.get("/v1/runs", params={"limit": 5})).json()
    assert (listed["id"], listed["environments"], listed["executions"]) == (run, ["dev", "prod"], [])
    for name in (run, "every-1"):
        shown = (await http.get(f"/v1/runs/{name}")).json()
        assert [one["id"] for one in shown["executions"]] == executions
        assert shown["executions"][1]["steps"][0]["exitCode"] == 1
    assert (await http.get("/v1/runs", params={"limit": 0})).status_code == 400


async def test_executions(http: httpx.AsyncClient, world: World) -> None:
    run, executions = await finished(world)
    assert (await http.get("/v1/executions")).json() == []
    assert len((await http.get("/v1/executions", params={"run": run})).json()) == 2
    assert (await http.get(f"/v1/executions/{executions[0]}")).json()["environment"] == "dev"
    assert (await http.get("/v1/executions/nobody")).status_code == 404


async def test_a_run_is_steered(http: httpx.AsyncClient, played: Played) -> None:
    await played.submit(NewRun(workflow="every"), Actor("user"))
    for what in ("pause", "resume"):
        assert (await http.post(f"/v1/runs/every-1/{what}")).json()["verdict"] == "pending"
    assert (await http.post("/v1/runs/every-1/cancel")).json()["verdict"] == "canceled"
    assert [heard[0] for heard in played.heard[1:]] == ["pause", "resume", "cancel"]  # type: ignore[index]
    assert (await http.post("/v1/runs/nobody/cancel")).status_code == 404


async def test_comparison_in_every_form(http: httpx.AsyncClient, world: World) -> None:
    await finished(world)
    path = "/v1/runs/every-1/comparison"
    table = (await http.get(path)).json()["tables"][0]
    assert [row["name"] for row in table["rows"] if row["differs"]] == ["build", "cart"]
    assert "| ≠ | build |" in (await http.get(path, params={"format": "markdown"})).text
    assert '<tr class="differs">' in (await http.get(path, params={"format": "html"})).text
    assert (await http.get(path, params={"format": "pdf"})).status_code == 400
    assert '<testsuite name="suite [prod]"' in (await http.get("/v1/runs/every-1/junit")).text


async def test_why(http: httpx.AsyncClient, world: World) -> None:
    run, executions = await finished(world)
    expected = "suite-1 in prod (prod-runner) failed: step 'build' failed (exit code 1)."
    for path in (
        "/v1/why/every-1",
        f"/v1/runs/{run}/why",
        f"/v1/why/{executions[1]}",
        f"/v1/executions/{executions[1]}/why",
    ):
        answer = (await http.get(path)).json()
        assert expected in answer["sentences"]
    assert answer["tail"] == [f"hello from {executions[1]} ä"]
    assert (await http.get("/v1/why/nobody")).status_code == 404


# --- watching and logs -------------------------------------------------------------------------------------------


async def test_a_run_is_watched_to_its_end(http: httpx.AsyncClient, world: World) -> None:
    await finished(world)
    answer = await http.get("/v1/runs/every-1/watch")
    assert answer.headers["content-type"].startswith("text/event-stream")
    names = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event:")]
    assert names[0] == "run"
    assert names[-1] == "end"
    assert names.count("log") == 2
    ids = [line for line in answer.text.splitlines() if line.startswith("id:")]
    again = await http.get("/v1/runs/every-1/watch", headers={"Last-Event-ID": ids[-1].removeprefix("id: ")})
    assert "event: log" not in again.text
    assert "event: end" in again.text
    quiet = await http.get("/v1/runs/every-1/watch", params={"logs": 0})
    assert "event: log" not in quiet.text


async def test_a_wrong_token_to_go_on_is_refused(http: httpx.AsyncClient, world: World) -> None:
    await finished(world)
    answer = await http.get("/v1/runs/every-1/watch", headers={"Last-Event-ID": "nonsense"})
    assert answer.status_code == 400
    answer = await http.get("/v1/executions/run-every-1-e0/log", params={"since": "nonsense"})
    assert answer.status_code == 400


async def test_logs_as_lines_events_and_bytes(http: httpx.AsyncClient, world: World) -> None:
    run, (one, _) = await finished(world)
    answer = await http.get(f"/v1/executions/{one}/log")
    (line,) = [json.loads(line) for line in answer.text.splitlines()]
    assert (line["text"], line["ref"], line["stream"], line["position"]) == (
        f"hello from {one} ä\n",
        "1",
        "stdout",
        "1.1",
    )
    assert (await http.get(f"/v1/logs/{one}", params={"since": "1.1"})).text == ""
    events = await http.get(f"/v1/logs/{run}", headers={"Accept": "text/event-stream"})
    assert events.text.count("event: log") == 2
    raw = await http.get(f"/v1/runs/{run}/log", headers={"Accept": "application/octet-stream"})
    assert raw.content.decode().splitlines() == [f"hello from run-every-1-e{n} ä" for n in (0, 1)]


async def test_logs_by_step_and_agent(http: httpx.AsyncClient, world: World) -> None:
    run, (one, two) = await finished(world)
    assert (await http.get(f"/v1/logs/{run}", params={"agent": "prod-runner"})).text.count(two) == 2
    assert (await http.get(f"/v1/logs/{one}", params={"step": "unit"})).text == ""
    for subject in (run, one):
        answer = await http.get(f"/v1/logs/{subject}", params={"step": "tidy"})
        assert answer.status_code == 404
        assert "there are: build" in answer.json()["error"]
    assert (await http.get(f"/v1/logs/{run}", params={"since": "1.1"})).status_code == 400


# --- artifacts ---------------------------------------------------------------------------------------------------


async def test_artifacts_are_listed_and_downloaded_safely(http: httpx.AsyncClient, world: World) -> None:
    run = await world.run()
    execution = await world.execution(run, "dev")
    await world.artifact(execution, 'out/<script> "ü".html', b"0123456789")
    (listed,) = (await http.get("/v1/runs/every-1/artifacts")).json()
    assert (listed["where"], listed["size"]) == ("dev", 10)
    answer = await http.get(f"/v1/executions/{execution}/artifacts/{listed['name']}")
    assert answer.content == b"0123456789"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%3Cscript%3E%20%22%C3%BC%22.html"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["etag"] == f'"{listed["digest"]}"'


@pytest.mark.parametrize(
    ("span", "status", "expected"),
    [
        ("bytes=3-", 206, b"3456789"),
        ("bytes=0-3", 206, b"0123"),
        ("bytes=-2", 206, b"89"),
        ("bytes=8-100", 206, b"89"),
        ("bytes=10-", 416, None),
        ("bytes=5-2", 416, None),
        ("bytes=0-1,4-5", 416, None),
        ("lines=1-", 416, None),
    ],
)
async def test_ranges(http: httpx.AsyncClient, world: World, span: str, status: int, expected: bytes | None) -> None:
    execution = await world.execution(await world.run(), "dev")
    await world.artifact(execution, "a", b"0123456789")
    answer = await http.get(f"/v1/executions/{execution}/artifacts/a", headers={"Range": span})
    assert answer.status_code == status
    assert expected in (None, answer.content)


@pytest.mark.parametrize("name", ["missing", "../../etc/passwd", "%2e%2e/x", "a%00"])
async def test_artifacts_that_are_not_there(http: httpx.AsyncClient, world: World, name: str) -> None:
    execution = await world.execution(await world.run(), "dev")
    await world.artifact(execution, "a", b"x")
    assert (await http.get(f"/v1/executions/{execution}/artifacts/{name}")).status_code == 404
    assert (await http.get("/v1/runs/nobody/artifacts")).status_code == 404


# --- catalog, fleet, figures -------------------------------------------------------------------------------------


async def test_documents(http: httpx.AsyncClient, world: World, played: Played) -> None:
    row = DocumentRow(DocumentKind.WORKFLOW, "a", "kind: x", "f.yaml", {}, "d", T0)
    await world.store.write(lambda unit: unit.catalog.put(row))
    applied = await http.put("/v1/documents", json={"text": "kind: x", "file": "f.yaml"})
    assert applied.json()["documents"][0]["name"] == "a"
    assert [one["name"] for one in (await http.get("/v1/workflows")).json()] == ["a"]
    assert (await http.get("/v1/workflows/a")).json()["text"] == "kind: x"
    assert (await http.get("/v1/templates")).json() == []
    assert (await http.get("/v1/templates/a")).status_code == 404
    assert (await http.delete("/v1/workflows/a")).status_code == 204
    assert (await http.delete("/v1/templates/b")).status_code == 404
    assert [heard[0] for heard in played.heard] == ["apply", "delete", "delete"]  # type: ignore[index]


async def test_agents(http: httpx.AsyncClient, played: Played) -> None:
    answer = await http.post(
        "/v1/agents", json={"name": "qa-runner", "labels": {"environment": "qa"}, "maxConcurrent": 2}
    )
    assert (answer.status_code, answer.json()) == (201, {"name": "qa-runner", "join": "mj1.abc"})
    assert played.heard == [("invite", "qa-runner", {"environment": "qa"}, 2)]
    assert [one["connected"] for one in (await http.get("/v1/agents")).json()] == [True, True, False]
    assert (await http.post("/v1/agents/dev-runner/drain")).json()["name"] == "dev-runner"
    assert (await http.post("/v1/agents/dev-runner/undrain")).json()["name"] == "dev-runner"
    assert (await http.post("/v1/agents/dev-runner/revoke")).status_code == 200
    assert [heard[0] for heard in played.heard[1:]] == ["drain", "undrain", "revoke"]  # type: ignore[index]
    for path in ("drain", "undrain", "revoke"):
        assert (await http.post(f"/v1/agents/nobody/{path}")).status_code == 404


@pytest.mark.parametrize(
    "body", [{"name": "Bad Name"}, {"name": ""}, {"name": "a", "maxConcurrent": 0}, {"name": "a", "labels": {"a": 1}}]
)
async def test_agents_that_cannot_be(http: httpx.AsyncClient, played: Played, body: dict[str, object]) -> None:
    answer = await http.post("/v1/agents", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert not played.heard


async def test_labels_that_cannot_be_granted(http: httpx.AsyncClient, played: Played) -> None:
    played.fails = ValueError("the label name belongs to every agent and cannot be granted")
    answer = await http.post("/v1/agents", json={"name": "a", "labels": {"name": "x"}})
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "the label name belongs to every agent and cannot be granted",
    )


async def test_figures(http: httpx.AsyncClient, world: World) -> None:
    await world.execution(await world.run(), "dev")
    text = (await http.get("/metrics")).text
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["muster_agents_connected",] == 2
    assert samples["muster_agent_load", "dev-runner"] == 1
    assert samples["muster_executions", "running"] == 1


async def test_the_api_describes_itself(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/v1/openapi.json")).json()["paths"]
    assert {"/v1/runs", "/v1/runs/{run}/watch", "/v1/agents/{name}/revoke"} <= set(paths)
