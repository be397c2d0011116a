"""``muster up`` and ``down``: the embedded system on this machine."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from muster.cli.outcome import Usage, err, fail, runs
from muster.cli.where import State, local
from muster.local import LocalState, LocalSystem, StartFailed
from muster.local.strangers import end
from muster.local.system import LocalAgent, end_leftovers, forget
from workflow.identifiers import agent_name

DEFAULT_AGENTS = "dev,staging,prod"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up)
    app.command("down")(down)


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is up; `muster down` ends it.")
    ] = False,
    agents: Annotated[
        str, typer.Option(help="Environments: each gets an agent NAME-runner with the label environment=NAME.")
    ] = DEFAULT_AGENTS,
    environments: Annotated[
        Path | None,
        typer.Option(help="Folder with NAME/secrets/SECRET/KEY and NAME/configmaps/MAP/KEY for each environment."),
    ] = None,
    max_concurrent: Annotated[
        int | None, typer.Option(min=1, help="Executions that each agent may hold at once.")
    ] = None,
    state: State = None,
) -> None:
    """Start a control plane and agents on this machine, and keep them running."""
    wanted = _agents(agents, environments, max_concurrent)
    if detach:
        _detach(local(state), agents, environments, max_concurrent)
        return
    runs(_up(local(state), wanted))


def _agents(names: str, environments: Path | None, max_concurrent: int | None) -> tuple[LocalAgent, ...]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if len(set(wanted)) != len(wanted):
        raise Usage(f"--agents names an environment twice: {names}")
    if environments is not None and not environments.is_dir():
        raise Usage(f"--environments: there is no folder {environments}")
    for name in wanted:
        try:
            agent_name(f"{name}-runner")
        except ValueError:
            raise Usage(f"--agents: {name!r} is no name; use letters a-z, digits and hyphens") from None
    return tuple(
        LocalAgent(
            name=f"{name}-runner",
            labels={"environment": name},
            references=environments / name if environments else None,
            max_concurrent=max_concurrent,
        )
        for name in wanted
    )


async def _up(state: LocalState, agents: tuple[LocalAgent, ...]) -> int:
    state.prepare()
    try:
        with state.claim():
            await _supervised(state, agents)
    except FileExistsError as error:
        raise StartFailed(str(error)) from None
    _say("muster is down")
    return 0


async def _supervised(state: LocalState, agents: tuple[LocalAgent, ...]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    system = await LocalSystem.start(state, agents, _say)
    try:
        state.announce(system.endpoint)
        token = state.control_plane / "token"
        _say(f"dashboard: {system.endpoint.url} (log in with the token in {token})")
        _say("muster is up. Try: muster run FILE   End it with Ctrl-C or `muster down`.")
        await _until(stop, system)
    finally:
        await system.stop()


def _say(text: str) -> None:
    """A line on standard output; nobody may be there any more to read it (``--detach``)."""
    with suppress(OSError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


async def _until(stop: asyncio.Event, system: LocalSystem) -> None:
    async with asyncio.TaskGroup() as group:
        keeper = group.create_task(system.supervise())
        await stop.wait()
        keeper.cancel()


def _detach(state: LocalState, agents: str, environments: Path | None, max_concurrent: int | None) -> None:
    """Start ``muster up`` in the background and pass on what it says until it is up."""
    state.prepare()
    command = [sys.executable, "-m", "muster", "up", "--state", str(state.directory), "--agents", agents]
    if environments:
        command += ["--environments", str(environments.absolute())]
    if max_concurrent:
        command += ["--max-concurrent", str(max_concurrent)]
    with state.log("up").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True, text=True
        )
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            sys.stdout.write(line)
            sys.stdout.flush()
            if line.startswith("muster is up"):
                return
    process.wait()
    fail(_last_error(state), f"see {state.directory / 'logs'}", code=process.returncode or 3)


def _last_error(state: LocalState) -> str:
    """What the program in the background said last, from its error on."""
    said = state.log("up").read_text(errors="replace").strip().splitlines()
    begins = [number for number, line in enumerate(said) if line.startswith("error: ")]
    if not begins:
        return said[-1] if said else "muster did not come up"
    return "\n".join(said[begins[-1] :]).removeprefix("error: ")


def down(
    purge: Annotated[bool, typer.Option("--purge", help="Also forget everything that was ever run there.")] = False,
    state: State = None,
) -> None:
    """Stop the embedded system."""
    place = local(state)
    pid = place.supervisor()
    if pid is None:
        left = asyncio.run(end_leftovers(place))
        place.withdraw()
        nothing = f"nothing runs on {place.directory}"
        err.print(Text(f"what a killed muster left was stopped: {', '.join(left)}" if left else nothing))
    else:
        end(pid, patience=30)
        err.print("muster is down")
    if purge:
        forget(place)
