"""Clones with credentials, from a git server that asks for them."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tests.agent.conftest import Bench, bench_in
from tests.agent.plans import plan, shell
from tests.agent.test_files import reasons, repository, system
from workflow.journal import StepFinished
from workflow.plan.nodes import Clone, EnvVar, GitAuth, Json

TOKEN = "t0ken-of-the-test"
BASIC = "Basic " + base64.b64encode(f"me:{TOKEN}".encode()).decode()


class GitServer(BaseHTTPRequestHandler):
    """git's own program behind HTTP, for whoever shows the right header."""

    root: ClassVar[str] = ""
    accepted: ClassVar[str] = ""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != self.accepted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        env = {
            **os.environ,
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        answer = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        self.send_response(200)
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - a name of the library

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Its address."""
    repository(tmp_path / "origin")
    GitServer.root = str(tmp_path)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), GitServer)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def clone(uri: str, *, auth: GitAuth = GitAuth.BASIC, user: str = "", token: EnvVar | None = None) -> Clone:
    return Clone(uri, auth=auth, username=EnvVar("USER", user) if user else None, token=token, retry_count=1)


@pytest.mark.parametrize("way", ["username and token", "in the address", "header", "secret"])
async def test_a_private_repository_is_cloned(server: str, tmp_path: Path, way: str) -> None:
    GitServer.accepted = f"Bearer {TOKEN}" if way == "header" else BASIC
    uri = f"http://{server}/origin"
    source: dict[str, Json] = {"secretKeyRef": {"name": "git", "key": "token"}}
    token = EnvVar("TOKEN", TOKEN)
    operation = {
        "username and token": clone(uri, user="me", token=token),
        "in the address": clone(f"http://me:{TOKEN}@{server}/origin"),
        "header": clone(uri, auth=GitAuth.HEADER, token=token),
        "secret": clone(uri, user="me", token=EnvVar("TOKEN", value_from=source)),
    }[way]
    async with bench_in(tmp_path / "state", values={"secrets/git/token": TOKEN}) as bench:
        pattern = TOKEN.replace("0", "[0]")  # the script, which holds it, must not match
        look = f"cat repo/one.txt; env | grep -c '{pattern}' || grep -rc '{pattern}' repo/.git/config /.tktw || true"
        held = await bench.run(plan(operation, shell(look)))
        assert held.output().startswith(b"newer0\n"), (held.output(), reasons(held), system(held))
        assert b":1" not in held.output() and TOKEN not in repr(held.records)


async def test_wrong_credentials_are_a_sentence(server: str, bench: Bench) -> None:
    GitServer.accepted = BASIC
    held = await bench.run(plan(clone(f"http://{server}/origin", token=EnvVar("TOKEN", "wr0ng-t0ken"))))
    finished = next(e for r in held.records if isinstance(e := r.entry, StepFinished))
    assert "could not be cloned" in finished.reason and "wr0ng" not in repr(held.records)
