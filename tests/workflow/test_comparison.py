"""The same workflow in several environments: which rows there are, in which order, and what differs."""

from __future__ import annotations

from workflow.comparison import Sighting, Table, compared, tabled
from workflow.reports import TestCase, TestStatus
from workflow.states import ExecutionState, StepStatus, Verdict
from workflow.views import ExecutionView, StepView

PASSED, FAILED = StepStatus.PASSED, StepStatus.FAILED


def execution(where: str | None, *steps: StepView, workflow: str = "suite", number: int = 1) -> ExecutionView:
    return ExecutionView(
        id=f"{workflow}-{where}-{number}",
        run="r",
        name="n",
        workflow=workflow,
        state=ExecutionState.PASSED,
        environment=where,
        steps=steps,
    )


def step(ref: str, name: str, status: StepStatus = PASSED, **more: object) -> StepView:
    return StepView.model_validate({"ref": ref, "name": name, "status": status, "kind": "run", **more})


def names(table: Table) -> list[str]:
    return [row.name for row in table.rows]


def test_equal_environments_do_not_differ() -> None:
    table = tabled("suite", [Sighting(execution(where, step("1", "build"))) for where in ("dev", "prod")])
    assert [column.title for column in table.columns] == ["dev", "prod"]
    assert names(table) == ["build"]
    assert not table.differences


def test_a_step_that_fails_in_one_environment_differs_with_its_reason() -> None:
    good = execution("dev", step("1", "build"), step("2", "check"))
    bad = execution("prod", step("1", "build"), step("2", "check", FAILED, exit_code=3))
    (row,) = tabled("suite", [Sighting(good), Sighting(bad)]).differences
    assert row.name == "check"
    assert [cell and (cell.status, cell.message) for cell in row.cells] == [("passed", ""), ("failed", "exit code 3")]


def test_steps_keep_their_row_where_one_is_left_out() -> None:
    full = execution("dev", step("1", "a"), step("2", "only dev"), step("3", "b"))
    short = execution("prod", step("1", "a"), step("2", "b"))
    table = tabled("suite", [Sighting(short), Sighting(full)])
    assert names(table) == ["a", "only dev", "b"]
    assert [row.name for row in table.differences] == ["only dev"]
    assert table.rows[1].cells[0] is None


def test_steps_of_the_same_name_are_told_apart_by_their_place() -> None:
    steps = (step("1", "g", kind="group"), step("1.1", "x"), step("1.2", "x"), step("2", "h"), step("2.1", "x", FAILED))
    table = tabled("suite", [Sighting(execution("dev", *steps))])
    assert [(row.group, row.name, row.depth) for row in table.rows] == [
        ("", "g", 0),
        ("g", "x", 1),
        ("g", "x", 1),
        ("", "h", 0),
        ("h", "x", 1),
    ]


def test_what_the_planner_made_is_shown_only_where_it_went_wrong() -> None:
    quiet = execution("dev", step("1", "", hidden=True, kind="clone"), step("2", "x"))
    loud = execution("prod", step("1", "", FAILED, hidden=True, kind="clone"), step("2", "x"))
    assert names(tabled("suite", [Sighting(quiet)])) == ["x"]
    table = tabled("suite", [Sighting(quiet), Sighting(loud)])
    assert names(table) == ["1", "x"]
    assert [cell and cell.status for cell in table.rows[0].cells] == ["passed", "failed"]


def test_what_the_planner_made_inside_a_step_is_told_with_it() -> None:
    inner = step("1.1", "Run shell command", FAILED, hidden=True, exit_code=3)
    bad = execution("prod", step("1", "unit", FAILED, kind="group"), inner)
    (row,) = tabled("suite", [Sighting(bad)]).rows
    assert (row.name, [cell and cell.message for cell in row.cells]) == ("unit", ["exit code 3"])


def test_test_cases_are_matched_by_class_and_name_and_the_worst_of_several_counts() -> None:
    dev = (TestCase("c", "t", TestStatus.PASSED, 2000), TestCase("c", "u", TestStatus.PASSED))
    prod = (TestCase("c", "t", TestStatus.PASSED), TestCase("c", "t", TestStatus.FAILED, None, "no"))
    table = tabled("suite", [Sighting(execution("dev"), dev), Sighting(execution("prod"), prod)])
    assert [(row.kind, row.group, row.name, row.differs) for row in table.rows] == [
        ("test", "c", "t", True),
        ("test", "c", "u", True),
    ]
    assert [cell and (cell.status, cell.duration_ms, cell.message) for cell in table.rows[0].cells] == [
        ("passed", 2.0, ""),
        ("failed", None, "no"),
    ]


def test_two_executions_in_one_environment_get_titles_of_their_own() -> None:
    table = tabled("suite", [Sighting(execution("dev", number=n)) for n in (1, 2)] + [Sighting(execution(None))])
    assert [column.title for column in table.columns] == ["dev", "dev #2", "nowhere yet"]


def test_each_workflow_has_its_table() -> None:
    seen = [Sighting(execution(where, workflow=name)) for where in ("dev", "prod") for name in ("a", "b")]
    comparison = compared("run-1", Verdict.PASSED, seen)
    assert [(table.workflow, len(table.columns)) for table in comparison.tables] == [("a", 2), ("b", 2)]


def test_it_travels_as_json() -> None:
    table = tabled("suite", [Sighting(execution("dev", step("1", "a", duration_ms=1.5)))])
    assert '"durationMs":1.5' in table.model_dump_json()
    assert Table.model_validate_json(table.model_dump_json()) == table


def test_what_is_still_open_is_no_difference_yet() -> None:
    done = execution("dev", step("1", "build"), step("2", "check"))
    running = execution("staging", step("1", "build", StepStatus.RUNNING), step("2", "check", StepStatus.QUEUED))
    waiting = execution("prod", step("1", "build", StepStatus.QUEUED), step("2", "check", StepStatus.QUEUED))
    open_ones = [
        running.model_copy(update={"state": ExecutionState.RUNNING}),
        waiting.model_copy(update={"state": ExecutionState.QUEUED}),
    ]
    cases = (TestCase("shop", "tax", TestStatus.PASSED, None, ""),)
    table = tabled("suite", [Sighting(done, cases), *map(Sighting, open_ones)])
    assert not table.differences
    assert not table.verdicts_differ
    assert [[cell and cell.status for cell in row.cells] for row in table.rows] == [
        ["passed", "running", "queued"],
        ["passed", "queued", "queued"],
        ["passed", "pending", "pending"],
    ]


def test_what_is_settled_differs_though_another_environment_goes_on() -> None:
    good = execution("dev", step("1", "build"))
    bad = execution("staging", step("1", "build", FAILED))
    going_on = execution("prod", step("1", "build", StepStatus.RUNNING))
    going_on = going_on.model_copy(update={"state": ExecutionState.RUNNING})
    bad = bad.model_copy(update={"state": ExecutionState.FAILED})
    table = tabled("suite", [Sighting(good), Sighting(bad), Sighting(going_on)])
    assert [row.name for row in table.differences] == ["build"]
    assert table.verdicts_differ


def test_a_step_that_passed_where_the_execution_goes_on_is_settled() -> None:
    ahead = execution("dev", step("1", "build")).model_copy(update={"state": ExecutionState.RUNNING})
    bad = execution("prod", step("1", "build", FAILED))
    assert len(tabled("suite", [Sighting(ahead), Sighting(bad)]).differences) == 1
