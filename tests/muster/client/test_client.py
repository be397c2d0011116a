"""The client against a served control plane: values out, sentences where something is wrong, watching over broken
connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

import httpx
import pytest

from control_plane.ports.store import Unavailable
from muster.client import ClientError, InvalidInput, Muster, NotThere, Unreachable
from tests.control_plane.web.server import TOKEN, Played, application, served
from tests.control_plane.web.test_api import finished
from tests.control_plane.world import World
from workflow.problems import InvalidDocument, Position, Problem
from workflow.states import ExecutionState, Verdict
from workflow.views import (
    ExecutionChanged,
    LogPrinted,
    NewAgent,
    NewRun,
    RunEnded,
    WatchEvent,
)


@pytest.fixture
async def world() -> World:
    return await World().populate()


@pytest.fixture
def played(world: World) -> Played:
    return Played(world)


@pytest.fixture
async def muster(world: World, played: Played) -> AsyncIterator[Muster]:
    async with served(application(world, played)) as url, Muster(url, TOKEN) as client:
        yield client


async def test_runs(muster: Muster, world: World) -> None:
    run, executions = await finished(world)
    assert [one.name for one in await muster.runs()] == ["every-1"]
    shown = await muster.run("every-1")
    assert (shown.id, shown.verdict, shown.exit_code) == (run, Verdict.FAILED, 1)
    assert [one.where for one in shown.executions] == ["dev", "prod"]
    assert (await muster.execution(executions[0])).state is ExecutionState.PASSED
    assert len(await muster.executions(run=run)) == 2
    assert (await muster.comparison("every-1")).tables[0].differences
    assert "≠" in await muster.comparison_text("every-1", "markdown")
    assert "<testsuites" in await muster.junit("every-1")
    assert (await muster.why("every-1")).sentences[0] == "every-1 failed."


async def test_submitting_and_steering(muster: Muster, played: Played) -> None:
    run = await muster.submit(NewRun(workflow="every", config={"a": [1, None]}, key="k"))
    assert run.verdict is Verdict.PENDING
    await muster.pause(run.id)
    await muster.resume(run.name)
    assert (await muster.cancel(run.id)).exit_code == 3
    new = played.heard[0][1]  # type: ignore[index]
    assert (new.workflow, new.config, new.key) == ("every", {"a": [1, None]}, "k")


async def test_logs_and_artifacts(muster: Muster, world: World) -> None:
    run, executions = await finished(world)
    logs = [log async for log in muster.logs(run)]
    assert [log.text for log in logs] == [f"hello from {execution} ä\n" for execution in executions]
    assert [log async for log in muster.logs(executions[0], since=logs[0].position, follow=True)] == []
    found = await muster.artifacts("every-1")
    assert [(one.where, one.name) for one in found] == [("dev", "out/junit.xml"), ("prod", "out/junit.xml")]
    whole = b"".join([part async for part in muster.artifact(found[0].execution, found[0].name)])
    assert len(whole) == found[0].size
    rest = b"".join([part async for part in muster.artifact(found[0].execution, found[0].name, offset=5)])
    assert rest == whole[5:]


async def test_catalog_and_fleet(muster: Muster, played: Played) -> None:
    assert (await muster.apply("text", "f.yaml")).documents[0].name == "a"
    assert await muster.documents("template") == ()
    await muster.delete("workflow", "a")
    assert (await muster.invite(NewAgent(name="qa", labels={"environment": "qa"}))).join == "mj1.abc"
    assert [agent.name for agent in await muster.agents()] == ["dev-runner", "prod-runner", "staging-runner"]
    assert (await muster.drain("dev-runner")).name == "dev-runner"
    assert (await muster.undrain("dev-runner")).name == "dev-runner"
    assert (await muster.revoke("dev-runner")).name == "dev-runner"
    assert await muster.healthy()


# --- errors ------------------------------------------------------------------------------------------------------


async def test_nobody_there() -> None:
    async with Muster("http://127.0.0.1:9", TOKEN) as muster:
        with pytest.raises(Unreachable) as error:
            await muster.runs()
        assert str(error.value) == error.value.sentence == "no control plane at http://127.0.0.1:9"
        assert (error.value.hint, error.value.exit_code) == ("start one with `muster up`", 3)
        assert not await muster.healthy()


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://x", "http://", "http://[", ""])
async def test_no_address(url: str) -> None:
    with pytest.raises(ClientError) as error:
        async with Muster(url, TOKEN) as muster:
            await muster.runs()
    assert error.value.exit_code in (2, 3)
    assert "\n" not in str(error.value)


async def test_a_wrong_token(muster: Muster, world: World, played: Played) -> None:
    async with served(application(world, played)) as url, Muster(url, "wrong") as other:
        with pytest.raises(ClientError, match="the token was not accepted") as error:
            await other.runs()
    assert (error.value.exit_code, error.value.status) == (2, 401)


async def test_what_is_not_there(muster: Muster) -> None:
    with pytest.raises(NotThere, match="there is no run 'nobody'") as error:
        await muster.run("nobody")
    assert (error.value.hint, error.value.exit_code) == ("list them: muster get runs", 2)
    with pytest.raises(NotThere):
        [log async for log in muster.logs("nobody")]
    for name in ("", ".."):
        with pytest.raises(ClientError, match="is no name"):
            await muster.run(name)


async def test_a_name_cannot_lead_elsewhere(muster: Muster, played: Played) -> None:
    with pytest.raises(NotThere):
        await muster.cancel("x/../../agents/dev-runner/revoke?")
    assert not played.heard


async def test_an_invalid_document(muster: Muster, played: Played) -> None:
    played.fails = InvalidDocument([Problem("bad", "wrong", Position("f.yaml", 9, 1), hint="mend it")])
    with pytest.raises(InvalidInput, match="the document has 1 problem") as error:
        await muster.submit(NewRun(document="x"))
    assert error.value.exit_code == 2
    (problem,) = error.value.problems
    assert (problem.file, problem.line, problem.message, problem.hint) == ("f.yaml", 9, "wrong", "mend it")


async def test_a_control_plane_that_cannot_now(muster: Muster, played: Played) -> None:
    played.fails = Unavailable("the disk is full")
    with pytest.raises(ClientError, match="the disk is full") as error:
        await muster.submit(NewRun(workflow="x"))
    assert error.value.exit_code == 3


@pytest.mark.parametrize("body", [b"<html>proxy</html>", b"{}", b"[1]", b'{"id": 3}'])
async def test_an_answer_that_is_none(body: bytes) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    async with Muster("http://x", TOKEN, transport=transport) as muster:
        with pytest.raises(ClientError, match="does not understand"):
            await muster.run("a")


async def test_an_error_page_of_a_stranger() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(502, content=b"<html>bad gateway</html>"))
    async with Muster("http://x", TOKEN, transport=transport) as muster:
        with pytest.raises(ClientError, match="the control plane answered 502") as error:
            await muster.run("a")
    assert error.value.exit_code == 3


# --- watching ----------------------------------------------------------------------------------------------------


def printed(events: list[WatchEvent]) -> str:
    return "".join(event.log.text for event in events if isinstance(event, LogPrinted))


async def test_watching_to_the_end(muster: Muster, world: World) -> None:
    await finished(world)
    events = [event async for event in muster.watch("every-1")]
    assert isinstance(events[-1], RunEnded)
    assert events[-1].run.exit_code == 1
    assert printed(events).count("hello") == 2
    assert printed([event async for event in muster.watch("every-1", logs=False)]) == ""


async def test_watching_goes_on_over_restarts_of_the_control_plane(world: World, played: Played) -> None:
    run = await world.run()
    execution = await world.execution(run, "dev")
    numbers = iter(range(1000))
    events: list[WatchEvent] = []

    async def line() -> None:
        await world.prints(execution, "1", f"{next(numbers)}\n")

    async def heard(count: int) -> None:
        while printed(events).count("\n") < count:
            await asyncio.sleep(0.002)

    async with asyncio.timeout(30), AsyncExitStack() as stack:
        control_plane = AsyncExitStack()
        url = await control_plane.enter_async_context(served(application(world, played)))
        muster = await stack.enter_async_context(Muster(url, TOKEN))
        async with asyncio.TaskGroup() as group:
            group.create_task(_collect(muster, events))
            for restart in range(4):
                for _ in range(5):
                    await line()
                await heard(restart * 8 + 5)
                await control_plane.aclose()
                for _ in range(3):
                    await line()
                control_plane = AsyncExitStack()
                port = int(url.rpartition(":")[2])
                await control_plane.enter_async_context(served(application(world, played), port))
            await world.ends(execution, ExecutionState.PASSED)
            await world.run_ends(run, Verdict.PASSED)
        await control_plane.aclose()
    assert printed(events) == "".join(f"{number}\n" for number in range(32))
    assert isinstance(events[-1], RunEnded)


async def _collect(muster: Muster, events: list[WatchEvent]) -> None:
    async for event in muster.watch("every-1", patience=20):
        events += [event]  # told one by one: others look at the list meanwhile


async def test_a_control_plane_that_stays_away_is_given_up(world: World, played: Played) -> None:
    await world.execution(await world.run(), "dev")
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(served(application(world, played)))
        async with Muster(url, TOKEN) as muster, aclosing(muster.watch("every-1", patience=0.2)) as events:
            async for event in events:
                if isinstance(event, ExecutionChanged):
                    break
            await stack.aclose()
            with pytest.raises(Unreachable):
                [event async for event in events]


async def test_watching_nobody(muster: Muster) -> None:
    with pytest.raises(NotThere):
        [event async for event in muster.watch("nobody")]


async def test_following_what_is_printed_goes_on_over_restarts_of_the_control_plane(
    world: World, played: Played
) -> None:
    """Of a run: two executions, characters cut in the middle, the control plane away while they print."""
    run = await world.run()
    executions = [await world.execution(run, where) for where in ("dev", "prod")]
    expected: dict[str, str] = dict.fromkeys(executions, "")
    heard: dict[str, str] = dict.fromkeys(executions, "")
    followers: list[dict[str, str]] = [heard, {executions[0]: ""}]
    numbers = iter(range(1000))

    async def lines(count: int) -> None:
        for _ in range(count):
            for one in executions:
                text = f"{next(numbers)} ä\n"
                half = text.encode()[:-2]  # the first byte of the letter
                await world.prints(one, "1", half)
                await world.prints(one, "1", text.encode()[len(half) :])
                expected[one] += text

    async def caught_up() -> None:
        while any(got[one] != expected[one] for got in followers for one in got):
            await asyncio.sleep(0.002)

    async with asyncio.timeout(60), AsyncExitStack() as stack:
        control_plane = AsyncExitStack()
        url = await control_plane.enter_async_context(served(application(world, played)))
        muster = await stack.enter_async_context(Muster(url, TOKEN))
        async with asyncio.TaskGroup() as group:
            await lines(2)
            for subject, got in (("every-1", followers[0]), (executions[0], followers[1])):
                group.create_task(_listen(muster, subject, got))
            for _ in range(3):
                await lines(5)
                await caught_up()
                await control_plane.aclose()
                await lines(3)
                control_plane = AsyncExitStack()
                port = int(url.rpartition(":")[2])
                await control_plane.enter_async_context(served(application(world, played), port))
            for one in executions:
                await world.ends(one, ExecutionState.PASSED)
            await world.run_ends(run, Verdict.PASSED)
        await control_plane.aclose()
    assert heard == expected
    assert followers[1] == {executions[0]: expected[executions[0]]}


async def _listen(muster: Muster, subject: str, got: dict[str, str]) -> None:
    async for piece in muster.logs(subject, follow=True, patience=20):
        got[piece.execution] += piece.text


async def test_following_where_nobody_is_fails_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    async with asyncio.timeout(15), Muster(f"http://127.0.0.1:{port}", TOKEN) as muster:
        with pytest.raises(Unreachable):
            [piece async for piece in muster.logs("every-1", follow=True)]


async def test_following_a_control_plane_that_stays_away_is_given_up(world: World, played: Played) -> None:
    execution = await world.execution(await world.run(), "dev")
    await world.prints(execution, "1", "x\n")
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(served(application(world, played)))
        async with Muster(url, TOKEN) as muster, aclosing(muster.logs("every-1", follow=True, patience=0.2)) as pieces:
            assert (await anext(pieces)).text == "x\n"
            await stack.aclose()
            with pytest.raises(Unreachable):
                [piece async for piece in pieces]
