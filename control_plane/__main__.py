"""``python -m control_plane --state DIR``: a control plane, until SIGTERM or Ctrl-C.

When it serves it prints one line of JSON: {"grpc": "host:port", "web": "http://...", "enrol": "https://..."}. What
cannot work is one sentence on standard error and exit code 2; what breaks later is exit code 3.
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
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

from control_plane.assembly import CannotStart, control_plane
from control_plane.settings import BadSettings, Settings, load

log = logging.getLogger("muster")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit code."""
    parsed = _arguments(arguments)
    overrides = {name: value for name, value in vars(parsed).items() if name != "state" and value is not None}
    try:
        settings = load(Path(parsed.state).absolute(), os.environ, overrides)
    except BadSettings as bad:
        for problem in bad.problems:
            _say(problem)
        return 2
    logging.basicConfig(
        level=settings.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("alembic", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
    try:
        with asyncio.Runner(loop_factory=_loop) as runner:
            return runner.run(_serve(settings))
    except KeyboardInterrupt:
        return 0


async def _serve(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with control_plane(settings, _version()) as ready:
            gc.freeze()  # what was made so far stays: the collector need not look at it again
            sys.stdout.write(json.dumps(asdict(ready)) + "\n")
            sys.stdout.flush()
            await stop.wait()
            log.info("stopping")
    except CannotStart as trouble:
        _say(str(trouble))
        return 2
    except Exception:
        log.exception("the control plane broke")
        _say("the control plane broke; its log says why. Start it again: what was acknowledged is safe")
        return 3
    return 0


def _loop() -> asyncio.AbstractEventLoop:
    """uvloop where it runs, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m control_plane", description="A Muster control plane.")
    parser.add_argument("--state", required=True, help="directory for everything that is kept")
    parser.add_argument("--grpc-port", dest="grpc_port", help="port for agents")
    parser.add_argument("--enrol-port", dest="enrol_port", help="port for enrolment")
    parser.add_argument("--web-port", dest="web_port", help="port for people, on loopback")
    parser.add_argument("--log-level", dest="log_level", help="debug, info, warning or error")
    return parser.parse_args(arguments)


def _version() -> str:
    try:
        return installed("muster")
    except PackageNotFoundError:
        return "dev"


def _say(sentence: str) -> None:
    sys.stderr.write(f"muster control plane: {sentence}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
