"""How expressions are read: errors with their places, odd precedence with its warnings."""

from __future__ import annotations

import pytest

from workflow.expressions import ExpressionError, calls, names, parse, parse_template, precedence_warnings


@pytest.mark.parametrize(
    ("source", "offset", "words"),
    [
        ("1 +", 3, "ends where a value is expected"),
        ("1 2", 2, "unexpected '2'"),
        ("(1", 2, "')' is expected"),
        ("f(1,)", 4, "expected a value"),
        ("f(1 2)", 4, "expected ',' or ')'"),
        ("a & b", 2, "unexpected character '&'"),
        ("x + 'abc", 4, "unexpected character"),
        ('"abc', 0, "not closed"),
        ('"a\\x"', 0, "malformed string"),
        ("1.x", 0, "digits are missing"),
        ("1e999", 0, "out of range"),
        ("[1, x]", 4, "not valid JSON"),
        ("5 + 1/0", 5, "division by zero"),
        ("1 + (true - 2)", 10, "true is not a number"),
        ('int("x")', 0, 'the text "x" is not a number'),
        ("list(1).5", 7, "no item 5"),
        ("true ? 1 && 2 : 5", 9, "only in parentheses"),
    ],
)
def test_an_error_points_at_its_place(source: str, offset: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(source)

    assert words in str(caught.value)
    assert (caught.value.source, caught.value.offset) == (source, offset)
    assert caught.value.caret() == f"{source}\n{' ' * offset}^"


def test_the_caret_shows_the_line_of_the_error_only() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_template("first\nname: {{ 1 + }} rest\nlast")

    assert caught.value.caret() == "name: {{ 1 + }} rest\n             ^"


def test_the_caret_of_a_long_line_shows_what_surrounds_it() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("a+" * 100 + "&" + "+a" * 100)

    line, mark = caught.value.caret().splitlines()
    assert len(line) <= 120
    assert line[mark.index("^")] == "&"


@pytest.mark.parametrize(
    ("source", "offsets"),
    [
        ("a || b && c", [7]),
        ("a && b || c", []),
        ("(a || b) && c", []),
        ("a || (b && c)", []),
        ("a || b == 1 && c", [12]),
        ("a || b && c || d && e", [7, 17]),
        ("-3 + 5", [0]),
        ("(-3) + 5", []),
        ("-3 * 5", []),
        ("-(3 + 5)", []),
        ("x || -3 + 5", [5]),
        ("-x == 2", [0]),
        ("-x ? 1 : 2", [0]),
        ("7 - -2", []),
        ("2 ** 3 ** 2", [7]),
        ("(2 ** 3) ** 2", []),
        ("a ? b : c ? d : e", [10]),
        ("a ? b : (c ? d : e)", []),
        ("a ? b : c || d", [10]),
        ("a ? b : c + d", []),
        ('map(l, "a")', []),
    ],
)
def test_warnings_stand_where_the_conventional_reading_differs(source: str, offsets: list[int]) -> None:
    assert [offset for offset, _ in precedence_warnings(source)] == offsets


def test_warnings_of_a_template_point_into_the_template() -> None:
    assert [offset for offset, _ in precedence_warnings("a {{ x || y && z }}", template=True)] == [12]


def test_names_are_those_of_all_branches_and_bodies() -> None:
    expr = parse('true || env.A + services.db.*.ip + map(config.l, "_.value + workflow.name")')

    assert names(expr) == {("env", "A"), ("services", "db"), ("config", "l"), ("workflow", "name")}


def test_calls_are_those_the_user_wrote() -> None:
    assert calls(parse_template('{{ secret("a", "b") }}{{ services.*.ip }}')) == {"secret"}


def test_a_text_is_parsed_once() -> None:
    assert parse("config.a + 1") is parse("config.a + 1")
