"""The commands of ``muster``, joined. Each command's work stands in a module of its own, which is loaded when the
command is called: ``muster --version`` and each command pay only for what they use.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from muster import __version__

COMMANDS: Final = {
    "up": "system",
    "down": "system",
    "apply": "catalog",
    "run": "running",
    "get": "reading",
    "logs": "logs",
    "compare": "reading",
    "why": "reading",
    "artifacts": "files",
    "cancel": "running",
    "pause": "running",
    "resume": "running",
    "delete": "catalog",
    "agents": "agents",
    "lint": "offline",
    "plan": "offline",
    "resolve": "offline",
    "schema": "offline",
}
"""Each command's module below muster.cli, in the order of the help."""


class Commands(TyperGroup):
    """The commands, loaded when they are asked for; their failures become sentences."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or None."""
        if cmd_name not in self.commands and cmd_name in COMMANDS:
            self.commands.update(_commands_of(COMMANDS[cmd_name]))
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As the base; a command that does not exist is compared with all that do."""
        if args and args[0] not in COMMANDS:
            for name in COMMANDS:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        from muster.cli.outcome import sentences

        with sentences():
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result


def _commands_of(module: str) -> dict[str, Any]:
    loaded = typer.Typer(rich_markup_mode="rich")
    loaded.callback()(_nothing)
    import_module(f"muster.cli.{module}").register(loaded)
    group = typer.main.get_command(loaded)
    assert isinstance(group, TyperGroup)
    return dict(group.commands)


def _nothing() -> None:
    pass


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"muster {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    help="Muster runs one test workflow in every environment at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 passed, 1 failed, 2 invalid input or usage, 3 aborted, cancelled or lost.",
)


@app.callback()
def _main(
    _asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass
