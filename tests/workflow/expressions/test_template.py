"""Texts with {{ }}: rendering, escaping, lists of them."""

from __future__ import annotations

import pytest

from workflow.expressions import Template, Unresolved, escape, evaluate, parse_template, render, scope, spread

KNOWN = scope({"l": ["a", "b{{c"], "s": "x", "n": None, "services": {"db": [{"ip": "1"}, {"ip": "2"}]}})


def test_what_is_known_becomes_text_and_the_rest_stays_a_template() -> None:
    half = render("{{ s }}-{{ env.A }}-{{ 1 + 1 }}{", KNOWN)

    assert (half.static, half.residual) == (False, 'x-{{env.A}}-2{{"{"}}')
    assert render(half.residual, scope({"env": {"A": "{{"}})).string == "x-{{-2{"


def test_the_rest_can_be_finished_without_reading_it_again() -> None:
    rest = render("{{ s }}-{{ env.A }}", KNOWN).rest

    assert isinstance(rest, Template)
    assert render(rest, scope({"env": {"A": 1}})).string == "x-1"


def test_a_template_that_is_one_expression_gives_its_value() -> None:
    only = parse_template("{{ l }}").only

    assert only is not None
    assert evaluate(only, KNOWN).value == ["a", "b{{c"]
    assert parse_template("a{{ l }}").only is None
    assert parse_template("{{ l }}{{ l }}").only is None


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("{{ l }}", ["a", "b{{c"]),
        (" {{ l }} ", ["a", "b{{c"]),
        ("-{{ l }}", ["-a,b{{c"]),
        ("{{ s }}", ["x"]),
        ("plain", ["plain"]),
        ("{{ services.db.*.ip }}", ["1,2"]),
        ('{{ _wc(services.db,"_.value.ip") }}', ["1,2"]),
        ("{{ list(services.db.*.ip...) }}", ["1", "2"]),
        ("{{ null }}", []),
        ("{{ list() }}", []),
        ("{{ 1000000 }}", ["1e+06"]),
    ],
)
def test_a_list_of_templates_is_spread(text: str, elements: list[str]) -> None:
    assert spread(["first", text], KNOWN, Unresolved.FAIL) == ["first", *elements]
    kept = spread(["first", text], KNOWN)
    assert spread(kept, scope({}), Unresolved.FAIL) == ["first", *elements]


def test_what_is_not_known_yet_is_spread_later() -> None:
    kept = spread(["{{ list(s, x) }}", "{{ later }}", "{{ other.*.ip }}"], KNOWN)

    assert kept == ['{{list("x",x)}}', "{{later}}", '{{_wc(other,"_.value.ip")}}']
    final = scope({"x": 1, "later": [1, 2], "other": [{"ip": "3"}, {"ip": "4"}]})
    assert spread(kept, final, Unresolved.FAIL) == ["x", "1", "1", "2", "3,4"]


@pytest.mark.parametrize("text", ["", "{", "{{", "{{{", "}}", "{{ x }}", '{"a":{"b":1}}', "a{\n{b", '{{"{{"}}'])
def test_an_escaped_text_renders_to_itself(text: str) -> None:
    assert render(escape(text), scope({"x": "wrong"})).string == text
