"""Submission to verdict: the whole way, with one agent."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.adapters.memory import ManualClock, MemoryJournals, MemoryStore
from control_plane.adapters.signals import LocalSignals
from control_plane.ports.journals import JournalUnavailable
from control_plane.ports.store import Unavailable
from control_plane.services.progress.intake import FACTOR, SPARE
from control_plane.services.queries import Queries
from tests.control_plane.services.world import AT, ME, World, plan, world
from workflow.identifiers import StepRef
from workflow.journal import MAX_CHUNK, AttemptStarted, Output, Record, StepFinished, StepStarted, Stream
from workflow.leases import Terms
from workflow.session import Assign, Fenced, Withdraw
from workflow.states import ExecutionState, StepStatus, Verdict
from workflow.views import NewRun

DOCUMENT = """
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: hello, labels: {team: core}}
spec:
  steps:
    - name: Greet
      shell: echo hello
"""


async def test_a_submitted_document_becomes_a_run_with_a_verdict() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", environment="dev")
        run = await w.house.submission.submit(NewRun(document=DOCUMENT, file="hello.yaml"), ME)
        conduct = await dev.assigned()
        (row,) = await w.of(run)
        assert (row.state, row.attempt, row.agent) == (ExecutionState.ASSIGNED, 1, "dev")
        assert conduct.bundle.variables["execution"] == {
            "id": row.id,
            "groupId": run,
            "name": "hello-1",
            "number": 1,
            "scheduledAt": "2023-11-14T22:13:20.000Z",
            "disableWebhooks": False,
            "tags": {},
            "runningContext": {"actor": {"name": "ada", "type": "user"}, "interface": {"type": "api"}},
        }
        await conduct.start()
        assert (await w.row(row.id)).state is ExecutionState.RUNNING
        await conduct.write(StepStarted(AT, StepRef("1")))
        await conduct.finish()
        (row,) = await w.of(run)
        assert row.state is ExecutionState.PASSED
        stored = await w.store.read(lambda unit: unit.runs.get(run))
        assert stored is not None
        assert (stored.verdict, stored.name) == (Verdict.PASSED, "hello-1")
        assert stored.finished_at is not None
        kinds = [entry.kind for entry in await w.entries(row.id)]
        assert kinds == ["attempt_started", "step_started", "attempt_finished"]


async def test_a_failed_execution_fails_its_run() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        run = await w.start()
        await (await dev.assigned()).run(ExecutionState.FAILED)
        assert (await w.run(run)).verdict is Verdict.FAILED


async def test_output_alone_touches_the_store_not_at_all() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        await w.start()
        conduct = await dev.assigned()
        await conduct.start()
        w.store.refusal = "disk full"
        assert await conduct.write(Output(AT, StepRef("1"), Stream.STDOUT, b"x")) == 2
        with pytest.raises(Unavailable):
            await conduct.write(StepStarted(AT, StepRef("1")))


async def test_a_log_of_which_something_is_missing_marks_its_run() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        marked, whole = await w.start(), await w.start()
        conduct, other = await dev.assigned(), await dev.assigned()
        await conduct.start()
        await conduct.write(StepFinished(AT, StepRef("1"), StepStatus.PASSED, 0, dropped=7))
        await conduct.finish()
        await other.run()
        queries = Queries(w.store, w.house.sessions)
        for run, incomplete in ((marked, True), (whole, False)):
            view = await queries.run(run.name)
            assert view is not None
            (one,) = view.executions
            assert (view.log_incomplete, one.log_incomplete, one.steps[0].dropped) == (
                incomplete,
                incomplete,
                7 if incomplete else 0,
            )
        assert [one.log_incomplete for one in await queries.runs()] == [False, True]


async def test_an_agent_that_keeps_to_no_limit_is_cut_off() -> None:
    limit = 1024 * 1024
    w = World(MemoryStore(), MemoryJournals(), LocalSignals(), ManualClock(), Terms(), log_limit=limit)
    flood = [Output(AT, StepRef("1"), Stream.STDOUT, bytes(MAX_CHUNK))] * ((FACTOR * limit + SPARE) // MAX_CHUNK - 1)
    async with w.running():
        dev = await w.agent("dev")
        run = await w.start()
        conduct = await dev.assigned()
        await conduct.start()
        journal = conduct.journal
        assert journal is not None
        w.journals.refusal = "disk full"
        for _ in range(3):  # what comes again since it was not kept counts once
            with pytest.raises(JournalUnavailable):
                await journal.append([Record(number, entry) for number, entry in enumerate(flood, start=2)])
        w.journals.refusal = None
        kept = await conduct.write(*flood)
        with pytest.raises(Fenced, match="more than twice what is kept"):
            await conduct.write(*flood)
        row = await w.only(run)
        assert (row.state, row.reason) == (
            ExecutionState.ABORTED,
            "its agent sent more than twice what is kept of one execution (log_limit); upgrade the agent",
        )
        assert isinstance(await dev.heard(), Withdraw)
        assert await w.journals.last(row.current) == kept
        with pytest.raises(Fenced):
            await conduct.open()


async def test_what_the_store_refused_is_not_acknowledged_and_is_applied_when_it_comes_again() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        await w.start()
        conduct = await dev.assigned()
        await conduct.start()
        w.store.refusal = "disk full"
        with pytest.raises(Unavailable):
            await conduct.write(StepStarted(AT, StepRef("1")))
        journal = await conduct.open()
        assert journal.acknowledged == 1
        w.store.refusal = None
        assert await journal.append([Record(2, StepStarted(AT, StepRef("1")))]) == 2
        entries = await w.entries(conduct.attempt.execution)
        assert [entry.kind for entry in entries] == ["attempt_started", "step_started"]


async def test_records_that_come_twice_change_nothing() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        await w.start()
        conduct = await dev.assigned()
        await conduct.start()
        journal = conduct.journal
        assert journal is not None
        assert await journal.append([Record(1, AttemptStarted(AT))]) == 1
        assert len(await w.entries(conduct.attempt.execution)) == 1


async def test_a_restart_applies_what_was_durable_and_not_applied() -> None:
    first = world()
    async with first.running() as w:
        dev = await w.agent("dev")
        run = await w.start()
        conduct = await dev.assigned()
        await conduct.start()
        w.store.refusal = "the power fails now"
        with pytest.raises(Unavailable):
            await conduct.finish()
        w.store.refusal = None
    async with first.restarted().running() as w:
        assert (await w.only(run)).state is ExecutionState.PASSED
        assert (await w.run(run)).verdict is Verdict.PASSED


async def test_a_restart_offers_again_what_was_assigned_and_places_what_was_queued() -> None:
    first = world()
    async with first.running() as w:
        dev = await w.agent("dev", limit=1)
        held = await w.start()
        waiting = await w.start()
        await dev.assigned()
    async with first.restarted().running() as w:
        dev.world = w
        dev.limit = 2
        await dev.connect()
        again = await dev.assigned()
        other = await dev.assigned()
        assert again.attempt == (await w.only(held)).current
        assert again.attempt.number == 1
        assert other.attempt == (await w.only(waiting)).current


async def test_the_same_key_gives_the_first_run() -> None:
    async with world().running() as w:
        one = await w.house.submission.submit(NewRun(document=DOCUMENT, key="k"), ME)
        two = await w.house.submission.submit(NewRun(document=DOCUMENT, key="k"), ME)
        assert one == two
        assert len(await w.of(one)) == 1


async def test_the_journal_of_an_ended_attempt_is_closed_for_good() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        await w.start()
        conduct = await dev.assigned()
        await conduct.run()
        with pytest.raises(Fenced):
            await conduct.open()


async def test_assignments_carry_what_was_submitted_in_order() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=3)
        runs = [await w.start(plan("suite")) for _ in range(3)]
        names = [(await w.only(run)).id for run in runs]
        got = [(await dev.heard()) for _ in runs]
        assert [m.bundle.attempt.execution for m in got if isinstance(m, Assign)] == names


async def test_everything_waits_for_an_agent() -> None:
    async with world().running() as w:
        run = await w.start()
        await w.pass_time(1)
        row = await w.only(run)
        assert row.state is ExecutionState.QUEUED
        assert row.reason == "waits for any agent: there are no agents"
        dev = await w.agent("dev")
        await (await dev.assigned()).run()
        assert (await w.run(run)).verdict is Verdict.PASSED


async def test_who_goes_away_while_submitting_leaves_nothing_that_is_never_placed() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=20)
        for turns in range(1, 12):
            submission = asyncio.get_running_loop().create_task(w.start())
            for _ in range(turns):
                await asyncio.sleep(0)
            submission.cancel()
            await w.settle()
        rows = await w.store.read(lambda unit: unit.executions.in_states(list(ExecutionState)))
        assert rows
        assert {row.state for row in rows} == {ExecutionState.ASSIGNED}
        assert len(rows) <= dev.limit
