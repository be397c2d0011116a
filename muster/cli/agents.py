"""``muster agents``: inviting agents, looking at them, sending them away."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from muster.cli.attach import print_json
from muster.cli.outcome import err, out_console, runs
from muster.cli.reading import Form, FormOption
from muster.cli.tables import agents_table
from muster.cli.where import State, Url, muster
from muster.cli.words import pairs
from workflow.views import NewAgent

app = typer.Typer(help="Invite agents, list, drain and revoke them.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The agent's name.")]


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
    runs(
        _create(
            NewAgent(name=name, labels=pairs(label or [], "--label"), max_concurrent=max_concurrent), output, url, state
        )
    )


async def _create(new: NewAgent, form: Form, url: str | None, state: Path | None) -> int:
    out = out_console()
    async with muster(url, state) as client:
        invitation = await client.invite(new)
    if form is Form.JSON:
        print_json(out, invitation.model_dump(mode="json"))
        return 0
    err.print(f"On the machine where {new.name} is to run (the text is a secret, works once, and soon expires):\n")
    home = f"~/.local/state/muster-{new.name}"
    command = f"python -m agent join --state {home} && python -m agent run --state {home}"
    out.print(f"echo {invitation.join} | ( {command} )", soft_wrap=True, markup=False)
    return 0


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
        out.print(agents_table(found, datetime.now(UTC)))
    return 0


@app.command()
def drain(name: Name, url: Url = None, state: State = None) -> None:
    """Give an agent nothing new; what runs there ends in peace."""
    runs(_drain(name, url, state))


async def _drain(name: str, url: str | None, state: Path | None) -> int:
    async with muster(url, state) as client:
        agent = await client.drain(name)
    err.print(f"{agent.name} drains; {agent.load} executions still run there")
    return 0


@app.command()
def revoke(name: Name, url: Url = None, state: State = None) -> None:
    """Send an agent away for good: its connection and its certificate end now."""
    runs(_revoke(name, url, state))


async def _revoke(name: str, url: str | None, state: Path | None) -> int:
    async with muster(url, state) as client:
        agent = await client.revoke(name)
    err.print(f"{agent.name} is revoked")
    return 0
