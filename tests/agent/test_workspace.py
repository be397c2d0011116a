"""What steps see of the machine, and what of each other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from agent.conductor.processes import Processes
from agent.conductor.workspace import Isolation, Layout, Workspace
from tests.agent.conftest import Bench, bench_in
from tests.agent.plans import plan, shell
from workflow.journal import Stream
from workflow.plan.nodes import Container, Run
from workflow.states import ExecutionState


async def test_each_execution_has_directories_of_its_own(either: Bench) -> None:
    first = await either.run(
        plan(shell("echo one > /data/x; echo one > /tmp/x; echo one > /testkube/x; ls /data /tmp"))
    )
    second = await either.run(plan(shell("ls /data /tmp; cat /data/x /tmp/x 2>/dev/null || echo nothing")))
    assert first.output().count(b"x\n") == 2
    assert b"x\n" not in second.output() and second.output().endswith(b"nothing\n")
    assert not Path("/tmp/x").exists() and not Path("/data/x").exists()


async def test_steps_of_one_execution_share_them(either: Bench) -> None:
    held = await either.run(plan(shell("echo kept > /tmp/x; mkdir -p /data/d"), shell("cat /tmp/x; test -d /data/d")))
    assert held.output() == b"kept\n"
    assert held.finished is not None and held.finished.state is ExecutionState.PASSED


async def test_the_machine_is_there_and_the_agents_state_is_not(bench: Bench, tmp_path: Path) -> None:
    script = f"test -x /bin/ls && echo ls; ls {tmp_path}/attempts 2>/dev/null | wc -l"
    held = await bench.run(plan(shell(script)))
    assert held.output() == b"ls\n0\n"


async def test_steps_see_no_processes_but_their_own(bench: Bench) -> None:
    held = await bench.run(plan(shell("ls /proc | grep -c '^[0-9]'; kill -0 1; kill -9 1; echo alive")))
    number, alive = held.output().split()
    assert int(number) < 8 and alive == b"alive"
    assert held.finished is not None and held.finished.state is ExecutionState.PASSED


async def test_an_interpreter_below_tmp_is_still_seen(tmp_path: Path) -> None:
    kept = tmp_path / "tools"
    kept.mkdir()
    shutil.copy("/bin/echo", kept / "say")
    async with bench_in(tmp_path / "state", keep=(str(kept),)) as bench:
        held = await bench.run(plan(shell(f"{kept}/say hello; touch /tmp/mine; ls /tmp | grep -c mine")))
    assert held.output() == b"hello\n1\n"


async def test_paths_are_rewritten_where_there_are_no_namespaces(tmp_path: Path) -> None:
    container = Container(working_dir="/data/w", env=shell("", WHERE="/data/w:/tmp").container.env)
    script = 'pwd; echo "$WHERE"; echo x > /tmp/y; ls /tmp; echo https://example.org/data/x'
    async with bench_in(tmp_path, Isolation.PATHS) as bench:
        held = await bench.run(plan(Run(container, script)))
        where, variable, listed, other = held.output().decode().splitlines()
        folder = where.removesuffix("/data/w")
        assert folder.startswith(str(tmp_path))
        assert variable == f"{folder}/data/w:{folder}/tmp"
        assert (listed, other) == ("y", "https://example.org/data/x")
        assert "paths in scripts and values are rewritten" in held.output(stream=Stream.SYSTEM).decode()


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("cat /data/x", "cat W/data/x"),
        ("cat '/tmp'", "cat 'W/tmp'"),
        ("A=/testkube/outputs;B=/.tktw/x", "A=W/testkube/outputs;B=W/tktw/x"),
        ("x:/data:/usr", "x:W/data:/usr"),
        (">/tmp/a </data/b", ">W/tmp/a <W/data/b"),
        ("/usr/data /datasets ./data http://h/data $X/data ${X}/tmp ~/tmp */tmp", None),
    ],
)
async def test_only_what_is_a_path_is_rewritten(tmp_path: Path, text: str, becomes: str | None) -> None:
    layout = Layout(tmp_path)
    workspace = Workspace(layout, Isolation.PATHS, Processes.__new__(Processes))
    assert workspace.spelt(text) == (text if becomes is None else becomes.replace("W", str(tmp_path)))


def as_nobody(interpreter: str, home: Path, program: str) -> subprocess.CompletedProcess[str]:
    packages = os.pathsep.join((str(Path(__file__).parents[2]), sysconfig.get_path("purelib")))
    return subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", interpreter, "-c", program],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "HOME": str(home), "PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can become an ordinary user here, by setpriv (util-linux)",
)
def test_an_ordinary_user_has_namespaces_too() -> None:
    home = Path(tempfile.mkdtemp(dir="/var/tmp"))  # an ordinary user must reach it
    os.chown(home, 65534, 65534)
    try_out = "import pytest, google.protobuf, subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    program = "import asyncio; from tests.agent.test_workspace import as_ordinary_user as run; asyncio.run(run())"
    candidates = (str(Path(sys.executable).resolve()), f"/usr/bin/python3.{sys.version_info.minor}")
    try:
        for interpreter in candidates:
            if as_nobody(interpreter, home, try_out).returncode == 0:
                break
        else:
            pytest.skip("every Python here lies in a home that an ordinary user may not enter")
        done = as_nobody(interpreter, home, program)
    finally:
        shutil.rmtree(home)
    assert done.returncode == 0, done.stderr
    assert "uid=65534" in done.stdout


async def as_ordinary_user() -> None:
    """Run by the test above."""
    async with bench_in(Path(os.environ["HOME"]) / "state") as bench:
        held = await bench.run(
            plan(shell("id; echo x > /data/x; touch /tmp/y; ls /proc | grep -c '^[0-9]'; sleep 1007 &"))
        )
        sys.stdout.write(held.output().decode())
        assert held.finished is not None and held.finished.state is ExecutionState.PASSED, held.records
        assert bench.executor._nursery.isolation is Isolation.NAMESPACES, bench.executor._nursery.why
