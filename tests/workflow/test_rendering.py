"""A comparison in every form: complete, readable, and with nothing in it that the reader would carry out."""

from __future__ import annotations

import pytest
from defusedxml.ElementTree import fromstring

from workflow.comparison import Cell, Column, Comparison, Row, Table
from workflow.rendering import duration, grid, html, junit, markdown, remarks
from workflow.reports import TestStatus, read_junit
from workflow.states import ExecutionState, Verdict

EVIL = "<script>alert(1)</script>|`x`\x1b[31m\n# head"


def comparison(
    name: str = "check", message: str = "19 != 7", state: ExecutionState = ExecutionState.FAILED
) -> Comparison:
    columns = (
        Column(title="dev", execution="e1", state=ExecutionState.PASSED),
        Column(title="prod", execution="e2", state=state, reason="agent was lost"),
    )
    rows = (
        Row(kind="step", name="build", depth=0, cells=(Cell(status="passed", duration_ms=12), Cell(status="passed"))),
        Row(kind="step", name="inner", depth=1, group="build", cells=(Cell(status="skipped"), None), differs=True),
        Row(
            kind="test",
            name=name,
            group="shop",
            cells=(Cell(status="passed", duration_ms=3400), Cell(status="failed", message=message)),
            differs=True,
        ),
    )
    table = Table(workflow="suite", columns=columns, rows=rows)
    return Comparison(run="every-1", verdict=Verdict.FAILED, tables=(table,))


def test_the_grid() -> None:
    assert grid(comparison().tables[0]) == [
        ["", "suite", "dev", "prod"],
        ["", "build", "✓ 12 ms", "✓"],
        ["≠", "  inner", "– skipped", "absent"],
        ["≠", "shop :: check", "✓ 3.4 s", "✗ failed"],
        ["", "verdict", "passed", "failed"],
    ]


def test_remarks_say_what_went_wrong_where() -> None:
    assert remarks(comparison().tables[0]) == ["shop :: check in prod: 19 != 7"]


def test_markdown_is_a_table() -> None:
    lines = markdown(comparison()).splitlines()
    assert lines[0] == "# every-1: failed"
    assert lines[2] == "|  | suite | dev | prod |"
    assert lines[6] == "| ≠ | shop :: check | ✓ 3.4 s | ✗ failed |"
    assert "- shop :: check in prod: 19 \\!= 7" in lines


def test_hostile_names_stay_text_in_markdown() -> None:
    text = markdown(comparison(EVIL, EVIL))
    assert "<script" not in text.replace("\\<", "")
    assert "\x1b" not in text
    assert "\n# head" not in text
    assert all(line.replace("\\|", "").count("|") == 5 for line in text.splitlines() if line.startswith("|"))


def test_hostile_names_stay_text_in_html() -> None:
    text = html(comparison(EVIL, '"><img src=x onerror=alert(1)>'))
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;" in text
    assert fromstring(f"<div>{text}</div>").findall(".//tr[@class='differs']")


def test_junit_has_a_suite_an_environment_and_is_read_again() -> None:
    root = fromstring(junit(comparison()).encode())
    suites = root.findall("testsuite")
    assert [(s.get("name"), s.get("tests"), s.get("failures"), s.get("skipped")) for s in suites] == [
        ("suite [dev]", "3", "0", "1"),
        ("suite [prod]", "2", "1", "0"),
    ]
    cases = read_junit(junit(comparison()).encode())
    assert [(case.group, case.name, case.status) for case in cases if case.name == "check"] == [
        ("shop", "check", TestStatus.PASSED),
        ("shop", "check", TestStatus.FAILED),
    ]


def test_an_environment_that_was_lost_is_an_error_in_junit() -> None:
    cases = read_junit(junit(comparison(state=ExecutionState.ABORTED)).encode())
    assert cases[-1].status is TestStatus.ERROR
    assert cases[-1].message == "agent was lost"


@pytest.mark.parametrize("name", [EVIL, "\x00\ufffe]]>", "a\"b'c&d"])
def test_junit_is_well_formed_whatever_the_names(name: str) -> None:
    assert len(read_junit(junit(comparison(name, name)).encode())) == 5


@pytest.mark.parametrize(
    ("milliseconds", "said"), [(None, ""), (0.4, "0 ms"), (999, "999 ms"), (1500, "1.5 s"), (125_000, "2 m 05 s")]
)
def test_durations(milliseconds: float | None, said: str) -> None:
    assert duration(milliseconds) == said


def test_what_is_not_known_yet_is_no_test_case() -> None:
    columns = (Column(title="dev", execution="a", state=ExecutionState.RUNNING),)
    row = Row(kind="test", name="tax", cells=(Cell(status="pending"),))
    table = Table(workflow="suite", columns=columns, rows=(row,))
    comparison = Comparison(run="every-1", verdict=Verdict.PENDING, tables=(table,))
    assert "tax" not in junit(comparison)
    assert "· pending" in markdown(comparison)
