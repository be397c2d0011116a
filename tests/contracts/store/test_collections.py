"""What each collection of a unit of work keeps, finds, orders and refuses."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace

import pytest

from control_plane.ports.records import Actor, ChildPlace, DocumentKind, ExecutionRow, Glance
from control_plane.ports.store import Conflict, Store, Unit
from tests.contracts.store.rows import (
    a_document,
    a_full_execution,
    a_plan,
    a_run,
    an_agent,
    an_artifact,
    an_entry,
    an_execution,
)
from workflow.identifiers import AgentName, ExecutionId, Instant, RunId, StepRef
from workflow.journal import ChildKind
from workflow.states import ExecutionState

E = ExecutionState


async def started(store: Store) -> Store:
    """With a run and its root execution."""

    def work(unit: Unit) -> None:
        unit.runs.add(a_run())
        unit.executions.add(an_execution(), a_plan())

    await store.write(work)
    return store


def adding(*executions: ExecutionRow) -> object:
    """A unit of work that adds them all."""

    def work(unit: Unit) -> None:
        for row in executions:
            unit.executions.add(row, a_plan(row.id))

    return work


async def test_catalog(store: Store) -> None:
    template = a_document("base", DocumentKind.TEMPLATE)
    documents = [a_document("b", team="x", tier="1"), a_document("a", team="x"), template]

    def work(unit: Unit) -> None:
        for row in documents:
            unit.catalog.put(row)
        unit.catalog.put(replace(documents[1], text="new", labels={"team": "x", "new": "yes"}))

    await store.write(work)
    new_a = replace(documents[1], text="new", labels={"team": "x", "new": "yes"})
    assert await store.read(lambda u: u.catalog.get(DocumentKind.WORKFLOW, "a")) == new_a
    assert await store.read(lambda u: u.catalog.get(DocumentKind.TEMPLATE, "a")) is None
    assert await store.read(lambda u: u.catalog.list(DocumentKind.WORKFLOW)) == [new_a, documents[0]]
    assert await store.read(lambda u: u.catalog.select({"team": "x"})) == [new_a, documents[0]]
    assert await store.read(lambda u: u.catalog.select({"team": "x", "tier": "1"})) == [documents[0]]
    assert await store.read(lambda u: u.catalog.select({"team": "y"})) == []
    assert await store.write(lambda u: u.catalog.delete(DocumentKind.WORKFLOW, "a")) is True
    assert await store.write(lambda u: u.catalog.delete(DocumentKind.WORKFLOW, "a")) is False
    assert await store.read(lambda u: u.catalog.list(DocumentKind.TEMPLATE)) == [template]


async def test_a_slash_in_a_documents_name_is_two_dashes(store: Store) -> None:
    await store.write(lambda u: u.catalog.put(a_document("official--k6", DocumentKind.TEMPLATE)))
    found = await store.read(lambda u: u.catalog.get(DocumentKind.TEMPLATE, "official/k6"))
    assert found == a_document("official--k6", DocumentKind.TEMPLATE)


async def test_runs_are_found_by_id_name_and_key(store: Store) -> None:
    row = a_run(key="once")
    await store.write(lambda u: u.runs.add(row))
    assert await store.read(lambda u: u.runs.find("r1")) == row
    assert await store.read(lambda u: u.runs.find("cross-1")) == row
    assert await store.read(lambda u: u.runs.find("cross")) is None
    assert await store.read(lambda u: u.runs.by_key(row.actor, "once")) == row
    assert await store.read(lambda u: u.runs.by_key(Actor("bob"), "once")) is None
    assert await store.read(lambda u: u.runs.by_key(row.actor, "other")) is None


async def test_runs_are_unique_by_id_name_and_key_of_their_actor(store: Store) -> None:
    await store.write(lambda u: u.runs.add(a_run("r1", 1, key="once")))
    for clash in (a_run("r1", 2), a_run("r2", 1), a_run("r2", 2, key="once")):
        with pytest.raises(Conflict):
            await store.write(lambda u, row=clash: u.runs.add(row))  # type: ignore[misc]
    await store.write(lambda u: u.runs.add(a_run("r2", 2, key="once", actor=Actor("bob"))))
    await store.write(lambda u: u.runs.add(a_run("r3", 3)))
    await store.write(lambda u: u.runs.add(a_run("r4", 4)))  # several without a key


async def test_a_run_is_replaced(store: Store) -> None:
    await store.write(lambda u: u.runs.add(a_run()))
    changed = a_run(finished_at=None, tags={})
    await store.write(lambda u: u.runs.put(changed))
    assert await store.read(lambda u: u.runs.get(RunId("r1"))) == changed


async def test_what_is_not_there_cannot_be_replaced(store: Store) -> None:
    with pytest.raises(KeyError):
        await store.write(lambda u: u.runs.put(a_run()))
    with pytest.raises(KeyError):
        await store.write(lambda u: u.executions.put(an_execution()))
    with pytest.raises(KeyError):
        await store.write(lambda u: u.fleet.put(an_agent()))


async def test_latest_runs(store: Store) -> None:
    rows = [a_run(f"r{number}", number) for number in range(1, 6)]
    other = a_run("x1", 9, workflow="other", created_at=Instant(1_003))

    def work(unit: Unit) -> None:
        for row in [*rows, other]:
            unit.runs.add(row)

    await store.write(work)
    assert [row.id for row in await store.read(lambda u: u.runs.latest(3))] == ["r5", "r4", "x1"]
    assert [row.id for row in await store.read(lambda u: u.runs.latest(9, Instant(1_003)))] == ["r2", "r1"]
    of_cross = await store.read(lambda u: u.runs.latest(2, Instant(1_004), "cross"))
    assert [row.id for row in of_cross] == ["r3", "r2"]


async def test_numbers_count_per_workflow(store: Store) -> None:
    assert [await store.write(lambda u: u.runs.next_number("a")) for _ in range(3)] == [1, 2, 3]
    assert await store.write(lambda u: u.runs.next_number("b")) == 1


async def test_an_execution_keeps_every_field(store: Store) -> None:
    await started(store)
    full = a_full_execution()
    await store.write(lambda u: u.executions.add(full, a_plan("full")))
    assert await store.read(lambda u: u.executions.get(full.id)) == full
    assert await store.read(lambda u: u.executions.plan(full.id)) == a_plan("full")
    assert await store.read(lambda u: u.executions.get(ExecutionId("e1"))) == an_execution()
    assert await store.read(lambda u: u.executions.plan(ExecutionId("none"))) is None


@pytest.mark.parametrize(
    "row", [a_full_execution(), a_plan(), a_run(key="k"), an_agent()], ids=lambda row: type(row).__name__
)
def test_the_rows_of_these_tests_leave_no_field_out(row: ExecutionRow) -> None:
    for field in fields(row):
        if field.default is not MISSING:
            assert getattr(row, field.name) != field.default, f"{field.name} would not be missed"
        if field.default_factory is not MISSING:
            assert getattr(row, field.name), f"{field.name} would not be missed"


async def test_an_execution_is_replaced(store: Store) -> None:
    await started(store)
    await store.write(lambda u: u.executions.add(a_full_execution(), a_plan("full")))
    bare = replace(an_execution("full"), place=a_full_execution().place, state=E.PASSED)
    await store.write(lambda u: u.executions.put(bare))
    assert await store.read(lambda u: u.executions.get(bare.id)) == bare


async def test_executions_are_unique_by_id_and_place(store: Store) -> None:
    await started(store)
    place = ChildPlace(ExecutionId("e1"), StepRef("1"), 0, ChildKind.WORKER)
    await store.write(lambda u: u.executions.add(an_execution("c1", place=place), a_plan("c1")))
    for clash in (an_execution(), an_execution("c2", place=replace(place, kind=ChildKind.SERVICE))):
        with pytest.raises(Conflict):
            await store.write(lambda u, row=clash: u.executions.add(row, a_plan(row.id)))  # type: ignore[misc]
    assert await store.read(lambda u: u.executions.at(replace(place, kind=ChildKind.SERVICE))) is not None
    assert await store.read(lambda u: u.executions.at(replace(place, index=1))) is None
    assert await store.read(lambda u: u.executions.plan(ExecutionId("c2"))) is None


async def test_children_are_ordered_by_place_as_numbers(store: Store) -> None:
    await started(store)
    places = [("10", 0), ("2.10", 1), ("2.9", 10), ("2.9", 9), ("1", 0)]
    children = [
        an_execution(f"c{number}", place=ChildPlace(ExecutionId("e1"), StepRef(ref), index, ChildKind.WORKER))
        for number, (ref, index) in enumerate(places)
    ]
    await store.write(adding(*children))  # type: ignore[arg-type]
    found = await store.read(lambda u: u.executions.children(ExecutionId("e1")))
    assert [(row.place.ref, row.place.index) for row in found if row.place] == [
        ("1", 0),
        ("2.9", 9),
        ("2.9", 10),
        ("2.10", 1),
        ("10", 0),
    ]
    assert await store.read(lambda u: u.executions.children(ExecutionId("c1"))) == []


async def test_executions_of_a_run_stand_in_order_of_creation(store: Store) -> None:
    await started(store)
    await store.write(lambda u: u.runs.add(a_run("r2", 2)))
    await store.write(adding(an_execution("z"), an_execution("a"), an_execution("other", "r2")))  # type: ignore[arg-type]
    await store.write(lambda u: u.executions.put(an_execution("z", state=E.PASSED)))
    assert [row.id for row in await store.read(lambda u: u.executions.of_run(RunId("r1")))] == ["e1", "z", "a"]


async def test_executions_in_states_stand_in_order_of_queueing(store: Store) -> None:
    await started(store)
    rows = [
        an_execution("late", queued_at=Instant(30)),
        an_execution("early", queued_at=Instant(10), agent=AgentName("dev")),
        an_execution("tie", queued_at=Instant(10), created_at=Instant(1)),
        an_execution("running", state=E.RUNNING, queued_at=Instant(5), agent=AgentName("dev")),
        an_execution("done", state=E.PASSED, queued_at=Instant(5), agent=AgentName("dev")),
    ]
    await store.write(adding(*rows))  # type: ignore[arg-type]

    async def ids(*states: E, agent: str | None = None, limit: int = 10) -> list[str]:
        of = AgentName(agent) if agent else None
        found = await store.read(lambda u: u.executions.in_states(states, agent=of, limit=limit))
        return [row.id for row in found]

    assert await ids(E.QUEUED) == ["tie", "early", "late", "e1"]
    assert await ids(E.QUEUED, E.RUNNING, limit=2) == ["running", "tie"]
    assert await ids(E.QUEUED, E.RUNNING, agent="dev") == ["running", "early"]
    assert await ids(E.ABORTED) == []
    assert await ids() == []


async def test_entries_are_added_once(store: Store) -> None:
    await started(store)
    await store.write(lambda u: u.entries.add([an_entry(2, first=True), an_entry(1, nested={"a": [1, None, "☃"]})]))
    await store.write(lambda u: u.entries.add([an_entry(2, first=False), an_entry(1, attempt=2)]))
    every = await store.read(lambda u: u.entries.of(ExecutionId("e1")))
    assert every == [an_entry(1, nested={"a": [1, None, "☃"]}), an_entry(2, first=True), an_entry(1, attempt=2)]
    assert await store.read(lambda u: u.entries.of(ExecutionId("e1"), 2)) == [an_entry(1, attempt=2)]
    await store.write(lambda u: u.entries.add([]))


async def test_what_json_cannot_say_is_refused(store: Store) -> None:
    await started(store)
    with pytest.raises(TypeError):
        await store.write(lambda u: u.entries.add([an_entry(1, raw=b"bytes")]))
    assert await store.read(lambda u: u.entries.of(ExecutionId("e1"))) == []


async def test_artifacts_are_replaced_by_attempt_and_name(store: Store) -> None:
    await started(store)
    rows = [an_artifact("b"), an_artifact("a"), an_artifact("a", attempt=2), an_artifact("b", size=8)]

    def work(unit: Unit) -> None:
        for row in rows:
            unit.entries.add_artifact(row)

    await store.write(work)
    assert await store.read(lambda u: u.entries.artifacts(ExecutionId("e1"))) == [rows[1], rows[2], rows[3]]


async def test_events_are_kept_in_order(store: Store) -> None:
    await started(store)
    for number in (2, 1, 3):
        await store.write(lambda u, n=number: u.entries.add_event(ExecutionId("e1"), n, bytes([n, 0, 255])))  # type: ignore[misc]
    with pytest.raises(Conflict):
        await store.write(lambda u: u.entries.add_event(ExecutionId("e1"), 2, b"again"))
    found = await store.read(lambda u: u.entries.events(ExecutionId("e1")))
    assert found == [bytes([n, 0, 255]) for n in (1, 2, 3)]


async def test_agents(store: Store) -> None:
    invited = an_agent("prod", serials=(), max_concurrent=None, token_expires=None, last_seen=None)
    await store.write(lambda u: u.fleet.add(invited))
    await store.write(lambda u: u.fleet.add(an_agent("dev")))
    with pytest.raises(Conflict):
        await store.write(lambda u: u.fleet.add(an_agent("dev")))
    assert await store.read(lambda u: u.fleet.list()) == [an_agent("dev"), invited]
    assert await store.read(lambda u: u.fleet.by_token("hash-of-prod")) == invited
    joined = replace(invited, token_hash=None, serials=("01",), session=1)
    await store.write(lambda u: u.fleet.put(joined))
    assert await store.read(lambda u: u.fleet.get(AgentName("prod"))) == joined
    assert await store.read(lambda u: u.fleet.by_token("hash-of-prod")) is None
    assert await store.read(lambda u: u.fleet.get(AgentName("nobody"))) is None


async def test_an_execution_is_found_by_id_and_by_name_the_newest_first(store: Store) -> None:
    await started(store)
    older = replace(an_execution("x1"), name="nightly", created_at=Instant(5))
    newer = replace(an_execution("x2"), name="nightly", created_at=Instant(6))
    await store.write(adding(newer, older))  # type: ignore[arg-type]
    assert await store.read(lambda u: u.executions.find("nightly")) == newer
    assert await store.read(lambda u: u.executions.find("x1")) == older
    assert await store.read(lambda u: u.executions.find("night")) is None


async def test_glances_are_of_the_runs_that_are_asked_for(store: Store) -> None:
    await started(store)

    def work(unit: Unit) -> None:
        unit.runs.add(a_run("r2", 2))
        unit.runs.add(a_run("r3", 3))
        unit.executions.add(replace(an_execution("x2"), run=RunId("r2")), a_plan(ExecutionId("x2")))
        unit.executions.add(replace(an_execution("x3"), run=RunId("r3")), a_plan(ExecutionId("x3")))

    await store.write(work)
    row = await store.read(lambda u: u.executions.get(ExecutionId("x2")))
    assert row is not None
    glances = await store.read(lambda u: u.executions.glances([RunId("r1"), RunId("r2")]))
    assert [glance.run for glance in glances] == ["r1", "r2"]
    assert glances[1] == Glance(row.id, row.run, row.host, row.agent, row.state)
    assert await store.read(lambda u: u.executions.glances([])) == []


async def test_runs_that_ended_are_found_and_removed_with_all_that_hangs_on_them(store: Store) -> None:
    await started(store)
    child = replace(an_execution("x2"), place=ChildPlace(ExecutionId("e1"), StepRef("1"), 0, ChildKind.WORKER))

    def work(unit: Unit) -> None:
        unit.runs.put(replace(a_run(), finished_at=Instant(70)))
        unit.runs.add(replace(a_run("r2", 2), finished_at=Instant(60)))
        unit.runs.add(a_run("r3", 3))
        unit.executions.add(child, a_plan(child.id))
        unit.entries.add([an_entry(1)])
        unit.entries.add_artifact(an_artifact("a"))
        unit.entries.add_event(ExecutionId("e1"), 1, b"x")
        assert unit.runs.next_number("cross") == 1

    await store.write(work)
    assert [run.id for run in await store.read(lambda u: u.runs.ended(Instant(71), 10))] == ["r2", "r1"]
    assert [run.id for run in await store.read(lambda u: u.runs.ended(Instant(70), 10))] == ["r2"]
    assert [run.id for run in await store.read(lambda u: u.runs.ended(Instant(71), 1))] == ["r2"]
    digest = an_artifact("a").digest
    assert await store.read(lambda u: u.entries.uses(digest))
    assert await store.write(lambda u: u.runs.remove(RunId("r1")))
    assert not await store.write(lambda u: u.runs.remove(RunId("r1")))

    def look(unit: Unit) -> tuple[object, ...]:
        root = ExecutionId("e1")
        return (
            unit.runs.get(RunId("r1")),
            *(unit.executions.get(one) for one in (root, child.id)),
            unit.executions.plan(root),
            *(unit.entries.of(root), unit.entries.artifacts(root), unit.entries.events(root)),
        )

    assert await store.read(look) == (None, None, None, None, [], [], [])
    assert not await store.read(lambda u: u.entries.uses(digest))
    assert await store.read(lambda u: u.runs.get(RunId("r2"))) is not None
    assert await store.write(lambda u: u.runs.next_number("cross")) == 2


async def test_a_removal_that_fails_removes_nothing(store: Store) -> None:
    await started(store)

    def work(unit: Unit) -> None:
        unit.runs.remove(RunId("r1"))
        raise RuntimeError("after all not")

    with pytest.raises(RuntimeError):
        await store.write(work)
    assert await store.read(lambda u: u.runs.get(RunId("r1"))) == a_run()
    assert await store.read(lambda u: u.executions.get(ExecutionId("e1"))) == an_execution()


async def test_garbage(store: Store) -> None:
    def work(unit: Unit) -> None:
        unit.garbage.mark("sha256:b", Instant(5))
        unit.garbage.mark("sha256:a", Instant(7))
        unit.garbage.mark("sha256:b", Instant(9))  # the older mark stays

    await store.write(work)
    assert await store.read(lambda u: u.garbage.marked(Instant(8), 10)) == ["sha256:b", "sha256:a"]
    assert await store.read(lambda u: u.garbage.marked(Instant(7), 10)) == ["sha256:b"]
    assert await store.read(lambda u: u.garbage.marked(Instant(8), 1)) == ["sha256:b"]
    assert await store.read(lambda u: (u.garbage.has("sha256:b"), u.garbage.has("sha256:c"))) == (True, False)
    assert await store.write(lambda u: u.garbage.unmark("sha256:b"))
    assert not await store.write(lambda u: u.garbage.unmark("sha256:b"))
    assert await store.read(lambda u: u.garbage.marked(Instant(8), 10)) == ["sha256:a"]
