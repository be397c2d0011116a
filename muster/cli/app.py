"""The commands of ``muster``, joined. Each command's work stands in a module of its own; here are only words and
options.
"""

from __future__ import annotations

from typing import Annotated

import typer

from muster import __version__
from muster.cli import agents, catalog, offline, reading, running, system

app = typer.Typer(
    help="Muster runs one test workflow in every environment at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"muster {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    _asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


for module in (system, running, reading, catalog, offline):
    module.register(app)
app.add_typer(agents.app, name="agents")
