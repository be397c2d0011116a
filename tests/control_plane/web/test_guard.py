"""Nobody without the token, nobody from another site, nothing too large; and never a traceback."""

from __future__ import annotations

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from control_plane.web.guard import COOKIE, LOOPBACK, MAX_BODY, Guard
from tests.control_plane.web.server import TOKEN, Played

PATHS = ["/v1/runs", "/v1/agents", "/metrics", "/v1/openapi.json", "/v1/runs/x/watch", "/nowhere"]


def error(answer: httpx.Response) -> str:
    said = answer.json()["error"]
    assert isinstance(said, str)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer", "Basic x", f"Bearer {TOKEN}x", "Bearer ünï"])
async def test_without_the_token_nothing(http: httpx.AsyncClient, path: str, authorization: str | None) -> None:
    del http.headers["Authorization"]
    headers = {b"Authorization": authorization.encode()} if authorization else {}
    answer = await http.get(path, headers=headers)
    assert answer.status_code == 401
    assert "token" in error(answer)
    assert TOKEN not in answer.text


async def test_health_needs_no_token(http: httpx.AsyncClient) -> None:
    del http.headers["Authorization"]
    assert (await http.get("/healthz")).json() == {"status": "ok"}


async def test_another_host_name_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/runs", headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert (await http.get("/v1/runs", headers={"Host": "localhost:1234"})).status_code == 200


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("muster.example.com", "https://muster.example.com", 200),
        ("muster.example.com", "https://evil.example.com", 403),
        ("evil.example.com", "https://evil.example.com", 421),
        ("127.0.0.1:7070", "https://127.0.0.1:7070", 403),  # nobody speaks TLS before loopback
    ],
)
async def test_behind_a_proxy_our_pages_come_by_https(host: str, origin: str, status: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response()(scope, receive, send)

    guard = Guard(app, TOKEN, (*LOOPBACK, "muster.example.com"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://127.0.0.1") as client:
        sent = {"Host": host, "Origin": origin, "Cookie": f"{COOKIE}={TOKEN}"}
        assert (await client.post("/v1/runs", headers=sent)).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "{url}"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_a_cookie_acts_for_our_own_pages_alone(
    http: httpx.AsyncClient, played: Played, headers: dict[str, str], status: int
) -> None:
    await played.world.run()
    del http.headers["Authorization"]
    url = str(http.base_url).rstrip("/")
    sent = {name: value.format(url=url) for name, value in headers.items()} | {"Cookie": f"{COOKIE}={TOKEN}"}
    answer = await http.post("/v1/runs/every-1/pause", headers=sent)
    assert answer.status_code == status
    assert len(played.heard) == (status == 200)


async def test_a_large_body_is_refused_announced_or_not(http: httpx.AsyncClient, played: Played) -> None:
    data = b" " * (MAX_BODY + 1)

    async def pieces() -> object:
        for start in range(0, len(data), 1 << 20):
            yield data[start : start + (1 << 20)]

    answer = await http.put("/v1/documents", content=data)
    assert answer.status_code == 413
    answer = await http.put("/v1/documents", content=pieces())  # type: ignore[arg-type]
    assert answer.status_code == 413
    assert not played.heard


async def test_a_defect_is_a_sentence(
    http: httpx.AsyncClient, played: Played, caplog: pytest.LogCaptureFixture
) -> None:
    played.fails = RuntimeError("secret inside")
    answer = await http.put("/v1/documents", json={"text": "x"})
    assert answer.status_code == 500
    assert error(answer) == "something is wrong in the control plane"
    assert "secret" not in answer.text
    assert "secret inside" in caplog.text


async def test_every_answer_has_the_headers_that_protect(http: httpx.AsyncClient) -> None:
    for path in ("/v1/runs", "/nowhere"):
        headers = (await http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("DELETE", "/v1/runs", 405), ("GET", "/v1/runs/nobody", 404)],
)
async def test_what_is_not_there_is_said(http: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await http.request(method, path)
    assert answer.status_code == status
    assert error(answer)
