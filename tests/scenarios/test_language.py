"""Every example of the handbook (docs/writing-workflows.md): it stands there word for word, lint finds nothing in it,
and it runs through a whole system as the handbook says."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from muster.cli.app import app
from muster.client import Muster
from tests.scenarios.test_scenarios import artifacts, followed
from workflow.model import parse_documents
from workflow.states import Verdict
from workflow.views import NewRun

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples" / "language").glob("*.yaml"))
HANDBOOK = (ROOT / "docs" / "writing-workflows.md").read_text()


@dataclass(frozen=True)
class Shown:
    """What a run of an example shows, besides that it passes."""

    prints: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    executions: int = 1
    artifacts: tuple[str, ...] = ()


SHOWN = {
    "hello": Shown(("Hello, world",)),
    "conditions": Shown(("groups nest", "whatever happened"), hides=("soak test", "something failed")),
    "retry-and-timeout": Shown(("not yet", "there it is")),
    "parameters": Shown(("smoke with 10 users", "the key is ***"), hides=("not-a-real-key", "watching")),
    "expressions": Shown(
        ("expressions of team shop is run number", "eu.example.com and us.example.com", "is 21", "it's safe", "several")
    ),
    "outputs": Shown(("testing version 1.4.2",)),
    "content": Shown(("hello.txt", "workflow = content")),
    "secrets": Shown(("-region", "stars: ***"), hides=("s3cr3t-value",)),
    "artifacts": Shown(artifacts=("reports/junit.xml",)),
    "templates": Shown(("hello Ada", "checked")),
    "matrix": Shown(("1 of 4 is chrome small", "4 of 4 is firefox large"), executions=5),
    "shards": Shown(("cart ok", "pay ok", "search ok"), executions=3),
    "services": Shown(("it works",), executions=2),
    "execute": Shown(("clean", "unit tests of all", "unit tests of cart", "unit tests of payment"), executions=6),
    "environments": Shown(("here",), executions=3),
    "concurrency": Shown(("nobody else",)),
    "schedule": Shown(("a quick test",)),
    "containers": Shown(("any image, one pod", "another container")),
    "load-at-once": Shown(("worker 0 fires", "worker 2 fires"), executions=4),
}


def test_every_example_is_shown() -> None:
    assert {path.stem for path in EXAMPLES} == set(SHOWN)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_handbook_quotes_it(path: Path) -> None:
    documents = path.read_text().split("---\n")
    for document in documents:
        body = document[document.index("metadata:") :].strip()
        assert body in HANDBOOK, f"docs/writing-workflows.md does not show {path.name} as it is"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_lint_and_plan(path: Path) -> None:
    linted = CliRunner().invoke(app, ["lint", str(path), "--output", "json"])
    assert json.loads(linted.stdout) == []
    planned = CliRunner().invoke(app, ["plan", str(path), "--output", "json"])
    assert planned.exit_code == 0, planned.stderr


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
async def test_it_runs(path: Path, client: Muster, repository: Path) -> None:
    shown = SHOWN[path.stem]
    text = path.read_text()
    await client.apply(text, path.name)
    config = {"repository": f"file://{repository}"} if path.stem == "content" else {}
    name = parse_documents(text, path.name).workflows[-1].name
    async with asyncio.timeout(60):
        run = await client.submit(NewRun(workflow=name, config=config))
        log = await followed(client, run.id)
    ended = await client.run(run.id)
    told = " ".join((await client.why(run.id)).sentences)
    assert ended.verdict is Verdict.PASSED, f"{told}\n{log[-2000:]}"
    assert [text for text in shown.prints if text not in log] == [], log[-2000:]
    assert [text for text in shown.hides if text in log] == []
    assert len(ended.executions) == shown.executions
    if shown.artifacts:
        assert set(await artifacts(client, run.id)) == set(shown.artifacts)
