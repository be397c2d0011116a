"""Resolving: scopes, modes, what stays, functions brought by the caller."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from workflow.expressions import (
    NONE,
    ExpressionError,
    Unresolved,
    Value,
    evaluate,
    parse,
    render,
    scope,
    to_string,
    truthy,
)


def test_numbers_written_in_expressions_are_floats_and_functions_make_integers() -> None:
    assert evaluate("12345678", scope({})).string == "1.2345678e+07"
    assert evaluate("int(12345678)", scope({})).string == "12345678"
    assert evaluate("index", scope({"index": 12345678})).string == "12345678"


def test_a_missing_key_of_a_namespace_is_none_and_an_unknown_name_stays() -> None:
    known = scope({"config": {"a": "1"}})

    assert evaluate("config.missing", known).kind == "none"
    assert evaluate("other.missing", known).residual == "other.missing"
    assert evaluate("config.a.b", known).residual == "config.a.b"


def test_modes_say_what_becomes_of_unknown_names() -> None:
    assert evaluate("a + 1", scope({}), Unresolved.NONE).value == 1
    with pytest.raises(ExpressionError, match="unknown variable a") as caught:
        evaluate("1 + a", scope({}), Unresolved.FAIL)
    assert caught.value.offset == 4
    with pytest.raises(ExpressionError, match=r"unknown function f\(\)"):
        evaluate("f(1)", scope({}), Unresolved.FAIL)


def test_the_first_scope_that_knows_a_name_gives_it() -> None:
    upper, lower = scope({"a": 1, "n": {"x": "up"}}), scope({"a": 2, "b": 3, "n": {"x": "low", "y": "only"}})
    both = upper.over(lower)

    assert [evaluate(name, both).string for name in ("a", "b", "n.x", "n.y", "n.z")] == ["1", "3", "up", "only", ""]


def test_a_lookup_is_asked_for_the_accessor_then_for_its_beginnings() -> None:
    asked: list[tuple[str, ...]] = []

    def lookup(path: tuple[str, ...]) -> tuple[bool, Value]:
        asked.append(path)
        return (True, {"k": ["v"]}) if path == ("step", "x") else (False, None)

    assert evaluate("step.x.k.0", scope({}, lookup=lookup)).string == "v"
    assert asked == [("step", "x", "k", "0"), ("step", "x", "k"), ("step", "x")]
    assert evaluate("env.A", scope({}, lookup=lookup)).residual == "env.A"


def test_a_function_of_the_scope_is_called_when_its_arguments_are_known() -> None:
    def secret(values: Sequence[Value]) -> Value:
        return "/".join(map(to_string, values))

    source = 'secret("a", env.KEY)'
    half = evaluate(source, scope({}, functions={"secret": secret}))

    assert half.residual == 'secret("a",env.KEY)'
    assert evaluate(half.residual, scope({"env": {"KEY": "k"}})).residual == 'secret("a","k")'
    assert evaluate(source, scope({"env": {"KEY": "k"}}, functions={"secret": secret})).string == "a/k"


def test_a_function_that_gives_none_gives_an_empty_text() -> None:
    assert evaluate('f() + "x"', scope({}, functions={"f": lambda values: None})).string == "x"


def test_json_null_and_none_differ_as_in_the_reference() -> None:
    known = scope({"nil": None, "none": NONE})

    assert (evaluate("nil", known).string, evaluate("nil", known).truthy) == ("null", True)
    assert (evaluate("none", known).string, evaluate("none", known).truthy) == ("", False)
    assert truthy(None) is False


def test_a_parenthesis_that_matters_survives_partial_evaluation() -> None:
    half = evaluate("passed && (failed || config.a)", scope({"config": {"a": True}, "failed": False}))
    assert half.residual == "passed&&true"

    rest = evaluate("a && (b || c)", scope({})).residual
    values = {"a": False, "b": False, "c": True}
    assert evaluate(rest, scope(values)).value is evaluate("a && (b || c)", scope(values)).value is False


@pytest.mark.parametrize(
    "source",
    [
        "a-(b-c)",
        "a/(b*c)",
        "a ? (b||c) : (d ? e : f)",
        "(-5)*a+b",
        "a-(-5)",
        "(a).b",
        "(a+b).c",
        "(!a).b",
        "!(a+b)",
        'f(int(1000000),float("-0"),float("+Inf"),json("null"),null)',
        "f(list(1,null))",
        'f([1,null],{"a":[1.5]})',
        'a+"<&>\\u0001"',
        "(a**b)**c",
        "a**b**c",
        "f(a...,b)",
        "a . b",
        "a.b.c",
        "(5).x+y",
    ],
)
def test_a_residual_reads_back_as_the_same_tree(source: str) -> None:
    try:
        expr = parse(source)
    except ExpressionError:
        assert source == "(5).x+y"
        return
    again = parse(str(expr))

    assert again.root == expr.root
    assert str(again) == str(expr)


def test_map_keeps_outer_names_for_later() -> None:
    half = evaluate('map(list(1,2), "_.value + x")', scope({}))

    assert half.residual == "list(1+x,2+x)"
    assert evaluate(half.residual, scope({"x": 1})).value == [2, 3]


def test_a_body_sees_value_index_and_key() -> None:
    assert evaluate('map(list("a","b"), "_.value + _.index + _.key")', scope({})).value == ["a00", "b11"]


def test_an_error_in_a_body_names_it_and_points_at_the_call() -> None:
    with pytest.raises(ExpressionError, match=r"in map\(\)'s '1/0': division by zero") as caught:
        evaluate('1 + len(map(list(1), "1/0"))', scope({}))
    assert caught.value.offset == 8


def test_a_value_outside_the_language_is_a_fault_of_the_caller() -> None:
    with pytest.raises(TypeError, match="bytes"):
        scope({"a": b"x"})


def test_what_needs_a_working_directory_fails_rather_than_being_none() -> None:
    with pytest.raises(ExpressionError, match="working directory"):
        evaluate('abspath("a")', scope({}), Unresolved.NONE)


def test_errors_of_templates_name_the_template() -> None:
    with pytest.raises(ExpressionError) as caught:
        render("ab {{ x }}", scope({}), Unresolved.FAIL)
    assert (caught.value.source, caught.value.offset) == ("ab {{ x }}", 6)
