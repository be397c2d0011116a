"""Which control plane a command speaks with: flags, then the environment, then the embedded system on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from muster.cli.outcome import Usage
from muster.client import Muster
from muster.local import Endpoint, LocalState
from muster.local.state import default_directory

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="MUSTER_URL",
        help="Address of the control plane; MUSTER_TOKEN holds its token.",
        rich_help_panel="Where",
    ),
]
State = Annotated[
    Path | None,
    typer.Option("--state", help="State directory of the embedded system.", rich_help_panel="Where"),
]


def local(state: Path | None) -> LocalState:
    """The state directory that is meant."""
    return LocalState((state or default_directory()).expanduser().absolute())


def endpoint(url: str | None, state: Path | None) -> Endpoint:
    """Where to go; NotRunning where no address is given and nothing runs here; Usage without a token."""
    if url:
        return Endpoint(url, _token())
    return local(state).endpoint()


def _token() -> str:
    token = os.environ.get("MUSTER_TOKEN", "").strip()
    if not token:
        raise Usage("set MUSTER_TOKEN: it is in the file `token` of the control plane's state directory")
    if not (token.isascii() and token.isprintable()):
        raise Usage("MUSTER_TOKEN holds signs that no token has")
    return token


def muster(url: str | None, state: Path | None) -> Muster:
    """A client of that control plane."""
    place = endpoint(url, state)
    return Muster(place.url, place.token)
