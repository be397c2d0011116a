"""The command line. ``main`` is what ``muster`` runs; muster.cli.app joins the commands.

A client of the people's API like any other: everything goes through muster.client, except what works offline (lint,
plan, resolve, schema) and what starts and stops the embedded system (up, down), which goes through muster.local.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command line; exits with the code that muster.cli.outcome tells."""
    from muster.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a sign gets another, not an error
    app()
