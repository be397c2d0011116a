"""The command line. ``main`` is what ``muster`` runs; muster.cli.app joins the commands.

A client of the people's API like any other: everything goes through muster.client, except what works offline (lint,
plan, resolve) and what starts and stops the embedded system (up, down), which goes through muster.local.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line; exits with the code that muster.cli.outcome tells."""
    from muster.cli.app import app

    app()
