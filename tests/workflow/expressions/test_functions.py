"""The standard library beyond the table: shells, paths, YAML, JSON, dates."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from workflow.expressions import (
    ExpressionError,
    Value,
    date_function,
    evaluate,
    format_date,
    path_functions,
    scope,
)
from workflow.expressions.functions.shell import quoted_word, words_of


def value_of(source: str, **values: object) -> Value:
    return evaluate(source, scope(values)).value


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0\r", codec="utf-8"))))
def test_quoted_words_are_read_back_by_us_and_by_posix_rules(words: list[str]) -> None:
    line = " ".join(map(quoted_word, words))

    assert words_of(line) == words
    assert shlex.split(line, comments=False) == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a  b\tc\n", ["a", "b", "c"]),
        ("a'b c'\"d e\"f", ["ab cd ef"]),
        ('"a\\"b\\$c\\d"', ['a"b$c\\d']),
        ("a\\\nb", ["ab"]),
        ("'' \"\"", ["", ""]),
        ("#x", ["#x"]),
    ],
)
def test_shellparse(line: str, words: list[str]) -> None:
    assert value_of("shellparse(x)", x=line) == words


@pytest.mark.parametrize("line", ["'a", '"a', "a\\"])
def test_shellparse_refuses_what_stands_open(line: str) -> None:
    with pytest.raises(ExpressionError, match="stands open"):
        value_of("shellparse(x)", x=line)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ('abspath("a/../b//c")', "/work/dir/b/c"),
        ('abspath("a", "b")', "/work/dir/b/a"),
        ('abspath("../a", "/x/y")', "/x/a"),
        ('relpath("a")', "a"),
        ('relpath("/work/x")', "../x"),
        ('relpath("/a", "/a")', "."),
        ('relpath("../a", "b")', "../../a"),
    ],
)
def test_paths_in_a_working_directory(source: str, path: str) -> None:
    assert evaluate(source, scope({}, functions=path_functions("/work/dir"))).value == path


def test_relative_paths_that_need_no_working_directory_do_without() -> None:
    source = 'join(map(files, "relpath(_.value, \\"cypress/e2e\\")"), ", ")'

    assert value_of(source, files=["cypress/e2e/a.js", "cypress/e2e/b/c.js"]) == "a.js, b/c.js"
    assert evaluate('relpath("../a", "b")', scope({})).static is False


@pytest.mark.parametrize(
    ("document", "value"),
    [
        ("yes", "yes"),
        ("on: no", {"on": "no"}),
        ("[0x10, 0o10, 010, 1_000, 0b11, 08, 1e3, .5, +1, -0]", [16, 8, 8, 1000, 3, 8, 1000, 0.5, 1, 0]),
        ("[~, null, NULL, '', \"5\", !!str 5, !!int '5']", [None, None, None, "", "5", "5", 5]),
        ("a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 2", {"a": {"b": 1}, "c": {"b": 1}, "d": {"e": 2, "b": 1}}),
        ("1: a\ntrue: b", {"1": "a", "true": "b"}),
        ("2020-01-02", "2020-01-02"),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("first: 1\n---\nsecond: 2", {"first": 1}),
    ],
)
def test_yaml_is_read_by_version_1_2(document: str, value: Value) -> None:
    assert value_of("yaml(x)", x=document) == value


@pytest.mark.parametrize("document", ["a: b: c", "[1", "a: *b", "a: 1\na: 2", "[a]: 1", "\x00", "%YAML 3.0\n---\na"])
def test_yaml_that_is_wrong_is_an_error(document: str) -> None:
    with pytest.raises(ExpressionError, match=r"yaml\(\)"):
        value_of("yaml(x)", x=document)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", '""\n'),
        ("yes", '"yes"\n'),
        ("1:30", '"1:30"\n'),
        ("a: b", "'a: b'\n"),
        ("two\nlines", "|-\n    two\n    lines\n"),
        (["two\nlines"], "- |-\n  two\n  lines\n"),
        ({"b": [{"x": 1, "z": [2]}], "a": {}}, "a: {}\nb:\n    - x: 1\n      z:\n        - 2\n"),
        ([[1, [2]], []], "- - 1\n  - - 2\n- []\n"),
        (1234567.5, "1.2345675e+06\n"),
        (None, "null\n"),
        (float("inf"), ".inf\n"),
    ],
)
def test_yaml_is_written_with_four_blanks(value: Value, text: str) -> None:
    assert value_of("toyaml(x)", x=value) == text


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(json_values)
def test_json_and_yaml_are_read_back_as_written(value: Value) -> None:
    whole = evaluate("json(tojson(x))", scope({"x": value}))
    assert whole.value == json.loads(json.dumps(evaluate("x", scope({"x": value})).value))


@settings(deadline=None)
@given(json_values)
def test_yaml_is_read_back_as_written(value: Value) -> None:
    """Control characters aside, for which YAML's line breaking is not ours to promise."""
    assume(all(text.isprintable() for text in _texts(value)))
    assert value_of("yaml(toyaml(x))", x=value) == value


def _texts(value: Value) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [text for item in value for text in _texts(item)]
        case dict():
            return [*value, *(text for item in value.values() for text in _texts(item))]
        case _:
            return []


AT = datetime(2024, 2, 3, 4, 5, 6, 78900, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("2006-01-02T15:04:05.000Z07:00", "2024-02-03T04:05:06.078-03:30"),
        ("Mon Jan _2 15:04:05 2006", "Sat Feb  3 04:05:06 2024"),
        ("Monday, January 2 06 3:04PM", "Saturday, February 3 24 4:05AM"),
        ("03 3 04 4 05 5 01 1 02 2 002", "04 4 05 5 06 6 02 2 03 3 034"),
        ("15:04:05.999999999", "04:05:06.0789"),
        (".000000", ".078900"),
        ("-0700 -07:00 Z0700 -07", "-0330 -03:30 -0330 -03"),
        ("20060102-150405", "20240203-040506"),
        ("no fields", "no fields"),
        ("", ""),
    ],
)
def test_dates_in_go_layouts(layout: str, text: str) -> None:
    assert format_date(AT, layout) == text


def test_date_of_a_scope_is_utc_with_milliseconds() -> None:
    known = scope({}, functions={"date": date_function(AT)})

    assert evaluate("date()", known).value == "2024-02-03T07:35:06.078Z"
    assert evaluate('date("15h Z07:00")', known).value == "07h Z"
    assert evaluate("date()", scope({})).residual == "date()"
    assert format_date(datetime(2024, 1, 1, tzinfo=UTC), "MST") == "UTC"
    with pytest.raises(ExpressionError, match=r"date\(\) takes"):
        evaluate("date(1,2)", known)
