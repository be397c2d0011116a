"""The engine gives what the reference engine gave, case by case."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import expressions as conformance

HERE = Path(conformance.__file__)


@pytest.mark.parametrize(("table", "cases"), [("expressions.jsonl", 3563), ("adversarial.jsonl", 2211)])
def test_every_case_of_the_table_agrees(table: str, cases: int) -> None:
    """``adversarial`` has every function and operator on odd values, and rows of tokens and of template pieces that
    make no sense, with what the reference engine gave."""
    found, total = conformance.disagreements(HERE.with_name(table))

    assert total == cases
    assert [(row["src"], mine, other) for row, mine, other in found] == []


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ('{"src": "1", "static": true, "type": "int", "value": 2, "string": "2", "bool": true}', "0 of 1"),
        ('{"src": "1", "static": true, "type": "int", "value": 1, "string": "1", "bool": true}', "1 of 1"),
        ('{"src": "1==1", "static": true, "type": "bool", "value": 1, "string": "true", "bool": true}', "0 of 1"),
        ('{"src": "1", "static": false, "error": "x"}', "0 of 1"),
        ('{"src": "1/0", "static": false, "error": "x"}', "1 of 1"),
        ('{"src": "x-y", "static": false, "residual": "x-y"}', "1 of 1"),
        ('{"src": "x-y", "static": false, "residual": "x-(y)"}', "0 of 1"),
    ],
)
def test_the_comparison_counts(row: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "table.jsonl"
    table.write_text(row.replace("{", '{"kind": "expr", ', 1) + "\n")

    conformance.main([str(table)])

    assert capsys.readouterr().out.splitlines()[-1] == f"agree {text}"
