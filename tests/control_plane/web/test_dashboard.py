"""The dashboard: nobody without the login, everything escaped, the pages allowed nothing but our own script."""

from __future__ import annotations

import httpx
import pytest

from control_plane.ports.records import Actor
from control_plane.web.guard import COOKIE
from tests.control_plane.web.server import TOKEN, Played
from tests.control_plane.web.test_api import finished
from tests.control_plane.world import World, step
from workflow.plan.nodes import Plan
from workflow.states import ExecutionState
from workflow.views import LOG_INCOMPLETE, NewRun

EVIL = "<script>alert(1)</script>\" onload='x'"
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
async def browser(http: httpx.AsyncClient) -> httpx.AsyncClient:
    """A browser that has not logged in."""
    del http.headers["Authorization"]
    http.headers.update(HTML)
    return http


async def login(browser: httpx.AsyncClient) -> httpx.Response:
    answer = await browser.post("/login", data={"token": TOKEN})
    assert answer.status_code == 303
    return answer


@pytest.mark.parametrize("path", ["/", "/runs/every-1", "/parts/runs"])
async def test_a_stranger_is_sent_to_the_login(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert (await browser.get("/login")).status_code == 200
    for asset in ("dashboard.css", "dashboard.js"):
        assert (await browser.get(f"/assets/{asset}")).status_code == 200


async def test_the_cookie_is_kept_from_scripts_and_other_sites(browser: httpx.AsyncClient) -> None:
    cookie = (await login(browser)).headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert (await browser.get("/")).status_code == 200
    assert (await browser.post("/logout")).headers["location"] == "/login"
    assert (await browser.get("/")).status_code == 303


@pytest.mark.parametrize("data", [{"token": "wrong"}, {}, {"token": ""}, {"token": "ü"}])
async def test_a_wrong_token_opens_nothing(browser: httpx.AsyncClient, data: dict[str, str]) -> None:
    answer = await browser.post("/login", data=data)
    assert answer.status_code == 401
    assert "The token was not accepted." in answer.text
    assert "set-cookie" not in answer.headers


async def test_another_site_cannot_log_anybody_in(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/login", data={"token": TOKEN}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


async def test_the_runs(browser: httpx.AsyncClient, world: World) -> None:
    await login(browser)
    assert "No run yet" in (await browser.get("/")).text
    await finished(world)
    for path in ("/", "/parts/runs"):
        page = (await browser.get(path)).text
        assert '<a href="/runs/every-1">every-1</a>' in page
        assert "dev, prod" in page


async def test_a_run(browser: httpx.AsyncClient, world: World) -> None:
    await login(browser)
    _, (one, _) = await finished(world)
    page = (await browser.get("/runs/every-1")).text
    assert '<tr class="differs">' in page
    assert f'href="/v1/executions/{one}/artifacts/out/junit.xml"' in page
    assert 'id="cancel"' not in page
    assert "out/junit.xml" in (await browser.get("/parts/runs/every-1/artifacts")).text
    assert '<section id="why"><p>every-1 failed.</p>' in page
    assert "every-1 failed." in (await browser.get("/parts/runs/every-1/why")).text
    assert LOG_INCOMPLETE not in page
    await world.change(one, log_incomplete=True)
    assert (await browser.get("/runs/every-1")).text.count(LOG_INCOMPLETE) == 1
    assert LOG_INCOMPLETE in (await browser.get("/assets/dashboard.js")).text  # which says the same
    missing = await browser.get("/runs/nobody")
    assert (missing.status_code, "there is no run" in missing.text) == (404, True)


async def test_pages_may_use_nothing_but_our_own(browser: httpx.AsyncClient, world: World) -> None:
    await login(browser)
    await finished(world)
    for path in ("/", "/runs/every-1", "/login"):
        answer = await browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "<style" not in answer.text
        assert answer.text.count("<script") == 1
        assert "://" not in answer.text


async def test_whatever_is_named_is_escaped(browser: httpx.AsyncClient, world: World) -> None:
    await login(browser)
    run = await world.run()
    execution = await world.execution(run, "dev", plan=Plan("suite", (step("1", EVIL),)))
    await world.artifact(execution, f"{EVIL.replace('/', '')}.txt", b"x")
    await world.ends(execution, ExecutionState.FAILED, EVIL)
    page = (await browser.get("/runs/every-1")).text
    assert "<script>alert" not in page
    assert "onload='x'" not in page
    assert "&lt;script&gt;alert(1)" in page


async def test_a_run_is_canceled_from_its_page(browser: httpx.AsyncClient, played: Played) -> None:
    await login(browser)
    await played.submit(NewRun(workflow="every"), Actor("user"))
    assert 'id="cancel"' in (await browser.get("/runs/every-1")).text
    answer = await browser.post("/runs/every-1/cancel", headers={"Origin": str(browser.base_url).rstrip("/")})
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs/every-1")
    assert played.heard[-1] == ("cancel", "run-every-1", "a person")
    missing = await browser.post("/runs/nobody/cancel", headers={"Origin": str(browser.base_url).rstrip("/")})
    assert (missing.status_code, "there is no run" in missing.text) == (404, True)


async def test_who_is_there_and_who_is_away(browser: httpx.AsyncClient) -> None:
    await login(browser)
    for path in ("/", "/parts/runs"):
        page = (await browser.get(path)).text
        assert page.count(">connected<") == 2
        assert page.count(">away<") == 1
