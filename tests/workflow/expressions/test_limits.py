"""Hostile programs: every one ends soon, with a value or an ExpressionError, not by the interpreter's own limits."""

from __future__ import annotations

import json
import sys
import time

import pytest

from workflow.expressions import ExpressionError, evaluate, one_purse, parse, render, scope
from workflow.model import parse_documents
from workflow.problems import InvalidDocument

BIG = "x" * 1_000_000
KNOWN = scope(
    {
        "big": BIG,
        "l": list(range(50_000)),
        "m": {str(index): index for index in range(20_000)},
        "e": "eval(e)",
        "yaml": "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)),
    }
)
DOUBLING = "|".join([".+."] * 40)
REFUSED = [
    "range(1000000000000)",
    "(" * 5_000,
    "!" * 15_000 + "1",
    "-" * 15_000 + "1",
    "+".join(["x"] * 5_000),
    "[" * 60_000,
    "a?" * 10_000,
    "f(" + "," * 15_000,
    "x" * 70_000,
    "big" + "+big" * 20,
    "&&".join(["l==l"] * 140),
    "eval(e)",
    'map(range(1000),"map(range(1000),\\"map(range(1000),1)\\")")',
    'filter(range(100000),"len(range(100000))>1")',
    'join(map(range(1000),"_.index"), big)',
    f"string({','.join(['big'] * 5000)})",
    f"tojson(list({','.join(['l'] * 3000)}))",
    f"list({','.join(['l...'] * 5000)})",
    'split(big,"")',
    "yaml(yaml)",
    f'yaml("{"[" * 30_000}")',
    "toyaml(big)",
    "json(big)",
    'jq(1,"[recurse(.+1)]")',
    'jq(1,"[range(1e12)]")',
    'jq("x",". * 1e9")',
    f'jq("xxxx","{DOUBLING}")',
    'jq(0,"reduce range(1e9) as $i (.;[.])")',
    'jq(0,"reduce range(5000) as $i (.;[.])|tojson")',
    'jq(l,"[.[] as $x|.[] as $y|1]|length")',
    'jq(l,". as $x|[.[]|select($x==$x)]|length")',
    f'jq(1,"{"(" * 500}1")',
    f'jq(1,"{"|".join(["."] * 500)}")',
    "l" + ".*" * 100,
    "{{{{{{" * 5,
    f"map(l,'{'+'.join(['_.value'] * 100)}')",
    "'" + "\\'" * 15_000,
    "1" * 60_000,
]
COMPUTED = [
    "2**100000000",
    "(0-2)**1e308",
    "1.0000001**1e300",
    "0**(0-1)",
    "(0-8)**(1/3)",
    "int(2**5000)",
    "range(5,-1000000000000)",
    "trim(big)",
    "len(big)",
    "(" * 70 + "1" + ")" * 70,
    "+".join(["1"] * 140),
    "big == big",
]


@pytest.mark.parametrize("source", REFUSED, ids=range(len(REFUSED)))
def test_what_costs_too_much_is_refused_soon(source: str) -> None:
    began = time.process_time()
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, KNOWN)

    assert time.process_time() - began < 10
    assert "too deeply" not in str(caught.value) or "compared" in str(caught.value)
    assert caught.value.caret().count("\n") == 1


@pytest.mark.parametrize("source", COMPUTED, ids=range(len(COMPUTED)))
def test_extremes_have_values(source: str) -> None:
    assert evaluate(source, KNOWN).static


def test_a_program_for_the_full_jq_waits() -> None:
    assert evaluate('jq(1,"def f: f; f")', scope({})).static is False


@pytest.mark.parametrize("text", ["{{" * 1000, "{{x}}" * 30_000, "x" * 1_100_000, "{{big}}{{big}}"])
def test_templates_are_bounded(text: str) -> None:
    with pytest.raises(ExpressionError):
        render(text, KNOWN)


def test_a_long_plain_template_is_fine() -> None:
    assert render(BIG, KNOWN).string == BIG


DEEP = [
    "(" * 75 + "1" + ")" * 75,
    "!" * 75 + "x",
    "f(" * 75 + "x" + ")" * 75,
    "+".join(["x"] * 148),
    "x" + ".*" * 100,
    "[" * 79 + "]" * 79,
    f"jq(1,'{'(' * 29}.+1{')' * 29}')",
    f"jq(1,'{'|'.join(['.+1'] * 70)}')",
    "eval('eval(\"eval(1)+1\")+1')",
]


@pytest.mark.parametrize("source", DEEP, ids=range(len(DEEP)))
def test_the_deepest_programs_need_few_frames(source: str) -> None:
    """What is let through leaves room for callers that stand deep themselves: 600 frames are enough."""
    depth = _depth()
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 600)
    try:
        evaluate(source, KNOWN)
    except ExpressionError as error:
        assert "nested too deeply" not in str(error)
    finally:
        sys.setrecursionlimit(before)


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


def test_a_large_constant_is_not_kept_with_the_program() -> None:
    assert parse("range(90000)").light is False
    assert evaluate("len(range(90000))", scope({})).value == 90_000


def test_many_expressions_share_one_purse() -> None:
    with one_purse(50_000):
        assert evaluate("1+1", KNOWN).string == "2"
        with pytest.raises(ExpressionError, match="together"):
            for number in range(50):
                evaluate(f"len(map(l,'{number}'))", KNOWN)
        with one_purse(), pytest.raises(ExpressionError, match="together"):  # the outer purse counts, and it is empty
            evaluate("'a'+'b'+e", KNOWN)
    assert evaluate("'a'+'b'+e", KNOWN).static


def test_a_document_of_dear_expressions_is_refused_soon() -> None:
    dear = '{{ jq(range(50000),". as $x|[.[]|select($x==$x)]|length+%d") }}'
    steps = [{"shell": "echo " + dear % number} for number in range(1000)]
    document = {"apiVersion": "testworkflows.testkube.io/v1", "kind": "TestWorkflow", "metadata": {"name": "dear"}}
    text = json.dumps({**document, "spec": {"steps": steps}})
    began = time.process_time()
    with pytest.raises(InvalidDocument) as caught:
        parse_documents(text, "dear.yaml")
    assert time.process_time() - began < 60, "about 4 s; each alone would make it a quarter of an hour"
    assert "together" in str(caught.value)
