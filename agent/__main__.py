"""``python -m agent join --state DIR`` with a join string on standard input, once; then ``python -m agent run --state
DIR``.

``run`` prints one line of JSON once it is connected: {"agent": name}. What cannot work is one sentence on standard
error and exit code 2; what ends it later is one and exit code 3.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

from agent.assembly import CannotStart, agent, join
from agent.settings import BadSettings, Settings, load
from workflow.identifiers import AgentName
from workflow.session import Fenced, Refused

log = logging.getLogger("muster")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit code."""
    parsed = _arguments(arguments)
    state = Path(parsed.state).absolute()
    try:
        if parsed.command == "join":
            return asyncio.run(_join(state))
        settings = load(state, os.environ)
        logging.basicConfig(
            level=settings.log_level.upper(),
            stream=sys.stderr,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
        return asyncio.run(_run(settings))
    except BadSettings as bad:
        for problem in bad.problems:
            _say(problem)
        return 2
    except CannotStart as trouble:
        _say(str(trouble))
        return 2
    except (Refused, Fenced) as end:
        _say(str(end))
        return 3
    except KeyboardInterrupt:
        return 0


async def _join(state: Path) -> int:
    """Read the invitation, which is a secret and so never an argument."""
    if sys.stdin.isatty():
        _say("paste the join string that muster agents create printed, and press Enter")
    name = await join(state, (await asyncio.to_thread(sys.stdin.readline)).strip())
    sys.stdout.write(json.dumps({"agent": name}) + "\n")
    return 0


async def _run(settings: Settings) -> int:
    loop = asyncio.get_running_loop()
    told: set[AgentName] = set()

    def connected(name: AgentName) -> None:
        if name not in told:
            told.add(name)
            sys.stdout.write(json.dumps({"agent": name}) + "\n")
            sys.stdout.flush()

    async with agent(settings, _version(), connected) as relay:
        gc.freeze()  # what was made so far stays: the collector need not look at it again
        running = loop.create_task(relay.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.cancel)
        with suppress(asyncio.CancelledError):
            await running
        log.info("stopping")
    return 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m agent", description="A Muster agent.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in (("join", "take an invitation from standard input"), ("run", "run until SIGTERM or Ctrl-C")):
        command = commands.add_parser(name, help=words)
        command.add_argument("--state", required=True, help="directory for everything that this agent keeps")
    return parser.parse_args(arguments)


def _version() -> str:
    try:
        return installed("muster")
    except PackageNotFoundError:
        return "dev"


def _say(sentence: str) -> None:
    sys.stderr.write(f"muster agent: {sentence}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
