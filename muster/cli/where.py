"""Which control plane a command speaks with: flags, then the environment, then the embedded system on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

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
    """Where to go; NotRunning where no address is given and nothing runs here."""
    if url:
        return Endpoint(url, os.environ.get("MUSTER_TOKEN", ""))
    return local(state).endpoint()


def muster(url: str | None, state: Path | None) -> Muster:
    """A client of that control plane."""
    place = endpoint(url, state)
    return Muster(place.url, place.token)
