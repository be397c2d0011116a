"""Whatever happens between an agent and its API server: the right verdict, every line once, in order, nothing left."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from tests.contracts.cutting.bench import BOUND, PATIENCE, WAIT, Cut
from tests.fakes.kubernetes.proxy import Asked, Dropped, Fault, Hook, Said, Silence
from workflow.session import Accept, Decline


def first(point: str, faults: Sequence[Fault]) -> Hook:
    """The first requests of that name meet these."""
    left = list(faults)

    async def hook(asked: Asked) -> Fault | None:
        return left.pop(0) if asked.point == point and left else None

    return hook


async def test_watches_that_are_dropped(cut: Cut) -> None:
    _, held = await cut.counting()
    for line in (b"1\n", b"20\n", b"40\n"):
        await cut.until(lambda line=line: line in held.output())  # type: ignore[misc]
        cut.proxy.drop_watches()
    await cut.passed(held)


async def test_conversations_that_are_dropped(cut: Cut) -> None:
    _, held = await cut.counting()
    for line in (b"1\n", b"10\n", b"20\n", b"30\n", b"40\n"):
        await cut.until(lambda line=line: line in held.output())  # type: ignore[misc]
        cut.proxy.drop_forwards()  # where conductors are reached through the API server
        cut.proxy.drop_watches()
    await cut.passed(held)


async def test_watches_that_are_too_old(cut: Cut) -> None:
    before = cut.proxy.count("LIST pods")
    cut.proxy.expire_watches()
    _, held = await cut.counting()
    await cut.until(lambda: b"10\n" in held.output())
    cut.proxy.expire_watches()
    await cut.passed(held)
    assert cut.proxy.count("LIST pods") > before


async def test_watches_and_lists_that_are_refused_as_too_old(cut: Cut) -> None:
    gone = Said(410, "Expired", "too old resource version")
    cut.proxy.before = first("WATCH pods", [gone] * 2)
    cut.proxy.after = first("LIST pods", [gone] * 2)
    cut.proxy.drop_watches()
    _, held = await cut.counting()
    await cut.passed(held)


async def test_a_watch_that_is_always_too_old_is_not_asked_for_without_rest(cut: Cut) -> None:
    cut.proxy.before = first("WATCH pods", [Said(410, "Expired")] * 1000)
    cut.proxy.drop_watches()
    _, held = await cut.counting(5)
    await cut.passed(held, 5)  # lists alone show what is
    while cut.proxy.count("WATCH pods") < 6:
        await cut.proxy.next()
    times = [asked.at for asked in cut.proxy.asked if asked.point == "WATCH pods"][1:]
    assert times[4] - times[0] > 0.25 + 0.5 + 1 + 2


async def test_a_server_that_is_busy_is_asked_again_when_it_wishes(cut: Cut) -> None:
    cut.proxy.before = first("POST pods", [Said(429, "TooManyRequests", retry_after="2")] * 2)
    _, held = await cut.counting()
    await cut.passed(held)
    times = [asked.at for asked in cut.proxy.asked if asked.point == "POST pods"]
    assert len(times) == 3 and all(later - one >= 1.9 for one, later in itertools.pairwise(times))


async def test_a_server_that_fails_every_other_time(cut: Cut) -> None:
    numbers = itertools.count()

    async def hook(_: Asked) -> Fault | None:
        return Said(500, "InternalError") if next(numbers) % 2 else None

    cut.proxy.before = hook
    cut.proxy.drop_watches()
    _, held = await cut.counting()
    await cut.passed(held)


@pytest.mark.parametrize("point", ["POST secrets", "POST pods", "DELETE pods", "DELETE secrets"])
async def test_answers_that_are_lost(cut: Cut, point: str) -> None:
    cut.proxy.after = first(point, [Dropped()])
    _, held = await cut.counting(5)
    await cut.passed(held, 5)
    assert cut.proxy.count(point) == 2


async def test_a_server_that_is_slow(cut: Cut) -> None:
    cut.proxy.delay = 0.5
    _, held = await cut.counting()
    await cut.passed(held)


async def test_an_answer_that_never_comes_is_asked_for_again(cut: Cut) -> None:
    cut.proxy.before = first("POST pods", [Silence()])
    _, held = await cut.counting(5)
    await cut.passed(held, 5)


async def test_a_watch_that_tells_nothing_delays_by_its_bound_at_the_most(cut: Cut) -> None:
    cut.proxy.mute = True
    cut.proxy.drop_watches()
    _, held = await cut.counting(5)
    await cut.passed(held, 5)
    lists = [asked.at for asked in cut.proxy.asked if asked.point == "LIST pods"]
    for _ in range(2):
        while cut.proxy.count("LIST pods") == len(lists):
            await cut.proxy.next()
        lists = [asked.at for asked in cut.proxy.asked if asked.point == "LIST pods"]
    pauses = [later - one for one, later in itertools.pairwise(lists[-3:])]
    assert all(PATIENCE.silence <= pause for pause in pauses), pauses


async def test_a_long_silence_while_the_pod_is_deleted(cut: Cut) -> None:
    of, held = cut.begin("echo up; sleep 1000")
    await cut.until(lambda: b"up\n" in held.output())
    cut.proxy.silent = True
    await cut.delete(of)
    await cut.proxy.silence(BOUND)
    cut.proxy.speak()
    assert "deleted" in await cut.lost(of, held)


async def test_a_long_silence_while_it_runs(cut: Cut) -> None:
    _, held = await cut.counting(200, 0.05)
    await cut.until(lambda: b"20\n" in held.output())
    cut.proxy.silent = True
    await cut.proxy.silence(BOUND)
    cut.proxy.speak()
    await cut.passed(held, 200)


async def test_a_launch_that_fails_and_cannot_be_undone_is_undone_later(cut: Cut) -> None:
    refusal = Said(403, "Forbidden", "not today")
    cut.proxy.before = first("DELETE secrets", [refusal] * 2)
    cut.proxy.after = first("POST pods", [refusal])  # it was made, and the agent is told that it was not
    cut.begin("echo never")
    await cut.until(lambda: any(isinstance(said, Decline) for said in cut.control.said))
    await cut.clean()


async def test_what_cannot_be_removed_is_removed_later(cut: Cut) -> None:
    cut.proxy.before = first("DELETE pods", [Said(403, "Forbidden", "not today")] * 2)
    _, held = await cut.counting(5)
    await cut.passed(held, 5)


async def test_a_list_that_a_launch_overtakes_hides_nothing(cut: Cut) -> None:
    answered, launched = asyncio.Event(), asyncio.Event()

    async def late(asked: Asked) -> Fault | None:
        if asked.point == "LIST pods":
            answered.set()
            await launched.wait()
        return None

    cut.proxy.after = late
    cut.proxy.drop_watches()
    async with asyncio.timeout(WAIT):
        await answered.wait()
    of, held = await cut.counting(5)
    await cut.until(lambda: Accept(of) in cut.control.said)
    launched.set()
    await cut.passed(held, 5)


async def test_a_removal_that_takes_long_is_begun_once(cut: Cut) -> None:
    async def slowly(asked: Asked) -> Fault | None:
        if asked.point == "DELETE pods":
            await cut.proxy.silence(1)  # many heartbeats
        return None

    of, held = cut.begin("echo up; sleep 1000")
    await cut.until(lambda: b"up\n" in held.output())
    cut.proxy.before = slowly
    await cut.delete(of)
    await cut.lost(of, held)
    assert cut.proxy.count("DELETE pods") == 1
