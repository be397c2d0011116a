"""``muster agents``: inviting agents, looking at them, sending them away; and being one (join, run), for which the
agent's own program takes the place of this one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.text import Text

from muster.cli import installing
from muster.cli.attach import print_json
from muster.cli.outcome import Usage, err, out_console, runs, show
from muster.cli.reading import Form, FormOption
from muster.cli.tables import agents_table
from muster.cli.where import State, Url, muster
from muster.cli.words import pairs
from workflow.identifiers import AgentName, agent_name
from workflow.views import NewAgent

app = typer.Typer(help="Invite agents, install, list, drain and revoke them.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The agent's name.")]
Home = Annotated[
    Path | None,
    typer.Option("--state", help="The agent's own directory.  [default: ~/.local/state/muster-agents/NAME]"),
]


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="agents")


@app.command()
def create(
    name: Name,
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="K=V", help="A label that the agent is granted.")
    ] = None,
    max_concurrent: Annotated[int | None, typer.Option(min=1, help="Executions that it may hold at once.")] = None,
    output: FormOption = Form.TABLE,
    url: Url = None,
    state: State = None,
) -> None:
    """Invite an agent: prints a one-time command to run where the agent is to stand."""
    new = NewAgent(name=_valid(name), labels=pairs(label or [], "--label"), max_concurrent=max_concurrent)
    runs(_create(new, output, url, state))


async def _create(new: NewAgent, form: Form, url: str | None, state: Path | None) -> int:
    out = out_console()
    async with muster(url, state) as client:
        invitation = await client.invite(new)
    if form is Form.JSON:
        print_json(out, invitation.model_dump(mode="json"))
        return 0
    err.print(f"On the machine where {new.name} is to run (the text is a secret, works once, and soon expires):\n")
    program = "muster" if shutil.which("muster") else f"{shlex.quote(sys.executable)} -m muster"
    command = f"echo {invitation.join} | {program} agents join {new.name} && {program} agents run {new.name}"
    out.print(Text(command), soft_wrap=True)
    err.print(f"\nOr in a cluster, from here: {program} agents install {new.name} --context CONTEXT")
    return 0


def _valid(name: str) -> AgentName:
    try:
        return agent_name(name)
    except ValueError as error:
        raise Usage(str(error)) from None


@app.command()
def join(name: Name, home: Home = None) -> None:
    """Make this machine an agent: the join string that `create` printed is read from standard input."""
    _become("join", name, home)


@app.command()
def run(name: Name, home: Home = None) -> None:
    """Be the agent that joined before, until Ctrl-C or SIGTERM."""
    _become("run", name, home)


def _become(command: str, name: str, home: Path | None) -> NoReturn:
    """Go on as the agent's program, which is told nothing secret by its arguments."""
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    state = (home or base / "muster-agents" / _valid(name)).expanduser().absolute()
    if command == "run" and not state.is_dir():
        raise Usage(f"there is no agent in {state}: join first, with what `muster agents create {name}` prints")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "agent", command, "--state", str(state)])  # noqa: S606


@app.command("list")
def list_(output: FormOption = Form.TABLE, url: Url = None, state: State = None) -> None:
    """List the agents."""
    runs(_list(output, url, state))


async def _list(form: Form, url: str | None, state: Path | None) -> int:
    out = out_console()
    async with muster(url, state) as client:
        found = await client.agents()
    if form is Form.JSON:
        print_json(out, [agent.model_dump(mode="json") for agent in found])
    else:
        show(out, agents_table(found, datetime.now(UTC)))
    return 0


@app.command()
def drain(name: Name, url: Url = None, state: State = None) -> None:
    """Give an agent nothing new; what runs there ends in peace."""
    runs(_drain(name, url, state))


async def _drain(name: str, url: str | None, state: Path | None) -> int:
    async with muster(url, state) as client:
        agent = await client.drain(name)
    rest = f"; {agent.load} executions still run there" if agent.load else "; nothing runs there"
    err.print(Text(f"{agent.name} drains{rest}"))
    return 0


@app.command()
def undrain(name: Name, url: Url = None, state: State = None) -> None:
    """Give a drained agent work again."""
    runs(_undrain(name, url, state))


async def _undrain(name: str, url: str | None, state: Path | None) -> int:
    async with muster(url, state) as client:
        agent = await client.undrain(name)
    words = {
        "active": "takes work again" if agent.connected else "takes work again as soon as it is connected",
        "invited": "has not joined yet",
        "revoked": f"is revoked for good; run: muster agents create {agent.name} ...",
    }
    err.print(Text(f"{agent.name} {words.get(agent.state, 'still drains')}"))
    return 0 if agent.state == "active" else 1


@app.command()
def revoke(name: Name, url: Url = None, state: State = None) -> None:
    """Send an agent away for good: its connection and its certificate end now."""
    runs(_revoke(name, url, state))


async def _revoke(name: str, url: str | None, state: Path | None) -> int:
    async with muster(url, state) as client:
        agent = await client.revoke(name)
    err.print(Text(f"{agent.name} is revoked"))
    return 0


installing.register(app)
