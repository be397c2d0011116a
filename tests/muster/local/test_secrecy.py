"""A sensitive parameter in a whole system: where its value stands while a step has it, and after the run."""

from __future__ import annotations

import asyncio
import base64
from contextlib import aclosing
from pathlib import Path

from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent
from workflow.states import Verdict
from workflow.views import LogPrinted, NewRun, RunEnded

VALUE = "Tr0ub4dor-and-3-in-the-whole-house"
DOCUMENT = """
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: secrecy}
spec:
  config: {password: {type: string, sensitive: true}}
  container: {workingDir: /data}
  steps:
    - name: Print
      shell: |
        mkfifo go; echo "it has $(printf %s '{{ config.password }}' | wc -c) bytes"; echo '{{ config.password }}' >&2
        read line < go
    - name: Hand on
      parallel: {count: 1, shell: "echo 'a worker has {{ config.password }}'"}
"""


def holding(folder: Path, texts: list[bytes]) -> list[Path]:
    """Every file below ``folder`` that holds one of the texts."""
    found: list[Path] = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        if any(text in data for text in texts):
            found.append(path.relative_to(folder))
    return found


def command_lines() -> bytes:
    """Of every process of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue
    return b"\n".join(found)


async def test_a_sensitive_value_stands_nowhere_in_clear(tmp_path: Path) -> None:
    state = tmp_path / "state"
    spellings = [VALUE.encode(), *(base64.b64encode(b" " * before + VALUE.encode())[4:-4] for before in range(3))]
    system = await LocalSystem.start(LocalState(state), (LocalAgent("dev-runner", {"environment": "dev"}),))
    try:
        async with asyncio.timeout(60), Muster(system.endpoint.url, system.endpoint.token) as client:
            run = await client.submit(NewRun(document=DOCUMENT, config={"password": VALUE}))
            heard = ""
            async with aclosing(client.watch(run.id)) as events:
                async for event in events:
                    if isinstance(event, LogPrinted):
                        heard += event.log.text
                        if event.log.stream == "stderr":
                            while_it_runs(state, spellings)
                    if isinstance(event, RunEnded):
                        break
            assert (await client.run(run.id)).verdict is Verdict.PASSED
            assert f"it has {len(VALUE)} bytes" in heard
            assert "a worker has *****" in heard
            assert VALUE not in heard
    finally:
        await system.stop()
    assert holding(state, [b"it has %d bytes" % len(VALUE)]), "what is printed is found where it is looked for"
    assert holding(state, spellings) == []


def while_it_runs(state: Path, spellings: list[bytes]) -> None:
    """The value stands in the attempt's own folder alone, where the agent's user can read; then the step goes on."""
    (attempt,) = (state / "agents" / "dev-runner").rglob("attempts/*")
    files = holding(state, spellings)
    assert files, "the agent keeps it for the step"
    for path in files:
        assert (state / path).is_relative_to(attempt)
        assert (state / path).stat().st_mode & 0o777 == 0o600
    assert not any(each in command_lines() for each in spellings)
    (attempt / "workspace" / "data" / "go").write_text("on\n")
