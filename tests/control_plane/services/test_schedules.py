"""Runs that start by themselves: at their time, once, with their parameters; and what becomes of missed ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from control_plane.ports.records import DocumentKind, RunRow
from control_plane.services.commits import Committed
from control_plane.services.schedules import ACTOR
from tests.control_plane.services.world import World, world
from workflow.identifiers import SECOND
from workflow.states import Verdict

HOUR = 3600
START = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)  # when worlds begin


def document(events: str, *, name: str = "nightly", more: str = "") -> str:
    return f"""
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {{name: {name}}}
spec:
  config: {{depth: {{default: "1"}}}}
  steps: [{{shell: "echo {{{{ config.depth }}}}"}}]
  events: {events}
{more}"""


class Heard:
    """Runs as they are committed."""

    def __init__(self, w: World) -> None:
        self.runs: list[RunRow] = []
        self._bell = asyncio.Event()
        w.house.commits.listen(self)

    def committed(self, what: Committed) -> None:
        """Something was committed."""
        self.runs += [run for run in what.runs if run.finished_at is None]
        self._bell.set()

    async def until(self, count: int) -> Sequence[RunRow]:
        """Return once so many were started."""
        async with asyncio.timeout(10):
            while len(self.runs) < count:
                self._bell.clear()
                await self._bell.wait()
        return self.runs


@asynccontextmanager
async def scheduled(*texts: str, w: World | None = None) -> AsyncIterator[tuple[World, Heard]]:
    """A house whose catalog holds these, its timetable read."""
    w = w or world()
    heard = Heard(w)
    for text in texts:
        await w.house.catalog.apply(text, "w.yaml")
    async with w.running():
        await asleep(w)
        yield w, heard


async def asleep(w: World) -> None:
    """Return once the timer sleeps."""
    async with asyncio.timeout(10):
        await w.clock.until_asleep(1)


async def calm(w: World) -> None:
    """Return once all that was told has been heard, and all that is due was started."""
    await w.settle()
    async with asyncio.timeout(10):
        await w.house.schedules.settled()


async def to(w: World, hour: int, minute: int, second: int = 0, *, days: int = 0) -> None:
    """Let time pass until then."""
    now = datetime.fromtimestamp(w.clock.now() / SECOND, UTC)
    then = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
    await w.clock.advance((then - now).total_seconds() + days * 24 * HOUR)


async def runs(w: World) -> Sequence[RunRow]:
    return list(await w.store.read(lambda unit: unit.runs.latest(100)))


async def test_each_firing_starts_a_run_at_its_time() -> None:
    async with scheduled(document('[{cronjob: {cron: "*/30 22,23 * * *"}}]')) as (w, heard):
        await to(w, 22, 29, 59)
        assert heard.runs == []
        await to(w, 22, 30)
        (run,) = await heard.until(1)
        assert (run.workflow, run.actor.kind, run.created_at) == ("nightly", "cron", w.clock.now())
        await asleep(w)
        await to(w, 23, 0)
        await heard.until(2)
        assert len({run.key for run in await runs(w)}) == 2


async def test_time_zone_parameters_labels_and_target() -> None:
    how = 'config: {depth: "7"}, labels: {kind: nightly}, target: {match: {environment: [prod]}}'
    event = '{cron: "0 1 * * *", timezone: Europe/Berlin, ' + how + "}"
    async with scheduled(document(f"[{{cronjob: {event}}}]")) as (w, heard):
        await to(w, 0, 0, days=1)  # 01:00 in Berlin
        (run,) = await heard.until(1)
        assert run.tags == {"kind": "nightly"}
        (row,) = await w.of(run)
        assert row.target is not None and row.target.match == {"environment": ("prod",)}
        plan = await w.store.read(lambda unit: unit.executions.plan(row.id))
        assert plan is not None and b"echo 7" in plan.plan


async def test_events_of_a_template_and_parameters_in_a_schedule() -> None:
    template = """
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflowTemplate
metadata: {name: at-half-past}
spec:
  config: {minute: {default: "30"}}
  events: [{cronjob: {cron: "{{ config.minute }} * * * *"}}]
"""
    user = document("[]", more="  use: [{name: at-half-past, config: {minute: 45}}]")
    async with scheduled(template, user) as (w, heard):
        await to(w, 22, 44)
        assert heard.runs == []
        await to(w, 22, 45)
        await heard.until(1)


async def test_the_catalog_is_heard() -> None:
    w = world()
    heard = Heard(w)
    async with w.running():
        await w.house.catalog.apply(document('[{cronjob: {cron: "0 23 * * *"}}]'), "w.yaml")
        await asleep(w)
        await w.house.catalog.apply(document('[{cronjob: {cron: "30 23 * * *"}}]'), "w.yaml")
        await calm(w)
        await to(w, 23, 29)
        assert heard.runs == []
        await to(w, 23, 30)
        await heard.until(1)
        await w.house.catalog.delete(DocumentKind.WORKFLOW, "nightly")
        await calm(w)
        await to(w, 23, 31, days=1)
        assert len(heard.runs) == 1


async def test_what_was_missed_starts_once_and_only_the_latest() -> None:
    w = world()
    await w.house.catalog.apply(document('[{cronjob: {cron: "*/10 * * * *"}}]'), "w.yaml")
    w.clock.jump(4 * HOUR)  # nobody was there: 02:13
    async with scheduled(w=w) as (w, heard):
        (run,) = await heard.until(1)
        assert run.key is not None and run.key.endswith("2023-11-15T02:10:00.000Z")
        await asleep(w)
        assert len(await runs(w)) == 1


@pytest.mark.parametrize(("within", "count"), [("", 0), ("3h", 1), ("0s", 0)])
async def test_how_late_is_too_late(within: str, count: int) -> None:
    w = world()
    said = f', annotations: {{"muster.dev/start-within": {within}}}' if within else ""
    await w.house.catalog.apply(document(f'[{{cronjob: {{cron: "30 22 * * *"{said}}}}}]'), "w.yaml")
    w.clock.jump(2 * HOUR)
    async with scheduled(w=w) as (w, heard):
        await calm(w)
        assert len(heard.runs) == count


async def test_what_fired_before_the_document_was_applied_is_not_missed() -> None:
    async with scheduled(document('[{cronjob: {cron: "13 22 * * *"}}]')) as (w, heard):
        await calm(w)
        assert heard.runs == []


async def test_two_control_planes_start_one_run() -> None:
    w = world()
    await w.house.catalog.apply(document('[{cronjob: {cron: "30 22 * * *"}}]'), "w.yaml")
    other = w.restarted()
    async with scheduled(w=w) as (w, heard), other.running():
        async with asyncio.timeout(10):
            await w.clock.until_asleep(2)
        await to(w, 22, 30)
        await calm(w)
        await calm(other)
        await heard.until(0)
        assert len(await runs(w)) == 1


async def test_a_control_plane_that_comes_back_does_not_fire_again() -> None:
    async with scheduled(document('[{cronjob: {cron: "30 22 * * *"}}]')) as (w, heard):
        await to(w, 22, 30)
        await heard.until(1)
    again = w.restarted()
    async with scheduled(w=again) as (again, heard_again):
        await calm(again)
        assert heard_again.runs == [] and len(await runs(again)) == 1


async def test_a_store_that_refuses_is_asked_again() -> None:
    async with scheduled(document('[{cronjob: {cron: "30 22 * * *"}}]')) as (w, heard):
        w.store.refusal = "disk full"
        await to(w, 22, 30)
        await calm(w)
        assert heard.runs == []
        w.store.refusal = None
        await asleep(w)
        await w.clock.advance(1)
        (run,) = await heard.until(1)
        assert run.key is not None and run.key.endswith("22:30:00.000Z")


async def test_a_schedule_that_cannot_start_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    bad = document('[{cronjob: {cron: "30 22 * * *", config: {nothing: x}}}]', name="bad")
    unreadable = document('[{cronjob: {cron: "{{ config.never }} * * * *"}}]', name="unreadable")
    async with scheduled(bad, unreadable, document('[{cronjob: {cron: "30 22 * * *"}}]')) as (w, heard):
        await to(w, 22, 30)
        (run,) = await heard.until(1)
        assert run.workflow == "nightly"
        assert "has no parameter 'nothing'" in caplog.text


async def test_a_firing_that_can_start_nothing_is_an_aborted_run_that_says_why() -> None:
    bad = document('[{cronjob: {cron: "30 22 * * *", config: {nothing: x}, labels: {by: clock}}}]', name="bad")
    w = world()
    await w.house.catalog.apply(bad, "w.yaml")
    other = w.restarted()
    async with scheduled(w=w) as (w, _), other.running():
        async with asyncio.timeout(10):
            await w.clock.until_asleep(2)
        await to(w, 22, 30)
        await calm(w)
        await calm(other)
        [run] = await runs(w)
        assert (run.name, run.verdict, run.actor, dict(run.tags)) == ("bad-1", Verdict.ABORTED, ACTOR, {"by": "clock"})
        [root] = await w.of(run.id)
        assert root.reason.startswith("its schedule could not start it: ")
        assert "has no parameter 'nothing'" in root.reason


async def test_nothing_to_do_is_no_timer() -> None:
    w = world()
    async with w.running():
        await w.house.catalog.apply(document("[]"), "w.yaml")
        await calm(w)
        assert w.clock.sleepers == 0
