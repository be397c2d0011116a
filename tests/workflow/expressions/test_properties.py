"""Laws that hold for all programs: totality, finishing in two halves, escaping, reading back."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from workflow.expressions import (
    Expr,
    ExpressionError,
    Resolved,
    Scope,
    Unresolved,
    Value,
    escape,
    evaluate,
    names,
    parse,
    parse_template,
    precedence_warnings,
    render,
    scope,
    spread,
)

NAMES = ["a", "b", "c.x", "c.l.0", "d.l.*.k", "e"]
OPERATORS = ["+", "-", "*", "/", "%", "**", "==", "!=", "<", ">=", "&&", "||", "=", "<>"]
LITERALS = ["0", "1", "2.5", "1000000", '"s"', '"5"', '""', "true", "false", "null", "[1,null]", '{"k":"v"}', "'{{'"]
FUNCTIONS = ["string", "int", "bool", "list", "join", "len", "tojson", "trim", "unknown", "shellquote", "entries"]

atoms = st.sampled_from(NAMES + LITERALS)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from(OPERATORS), inner),
        st.builds("({})".format, inner),
        st.builds("!{}".format, inner),
        st.builds("-{}".format, inner),
        st.builds("({} ? ({}) : ({}))".format, inner, inner, inner),
        st.builds("({}).{}".format, inner, st.sampled_from(["k", "0", "x"])),
        st.builds("{}({})".format, st.sampled_from(FUNCTIONS), inner),
        st.builds("list({},({})...)".format, inner, inner),
        st.builds("map({},'_.value + 1')".format, inner),
        st.builds("filter({},'_.value')".format, inner),
    )


programs = st.recursive(atoms, _grown, max_leaves=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**7), 10**7)
    | st.floats()
    | st.sampled_from(["", "5", "abc", "0", "{{x}}"])
)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.sampled_from("kxl"), scalars, max_size=3)
worlds = st.fixed_dictionaries({}, optional=dict.fromkeys("abcde", values))


def tried(source: str, known: Scope, mode: Unresolved = Unresolved.KEEP) -> Resolved | None:
    """The result, or None for an ExpressionError. Anything else is a failure of the test."""
    try:
        return evaluate(source, known, mode)
    except ExpressionError as error:
        assert str(error)
        assert 0 <= error.offset <= len(error.source)
        assert len(error.caret().splitlines()) == 2 or not error.source
        return None


@settings(deadline=None)
@given(
    st.text() | programs | st.text(alphabet="ab.*()[]{}\"'!?:,+-&|=<>0123456789 \\\n"),
    worlds,
    st.sampled_from(Unresolved),
)
def test_any_text_gives_a_result_or_an_expression_error(source: str, world: dict[str, Value], mode: Unresolved) -> None:
    known = scope(world)
    tried(source, known, mode)
    for use in (
        lambda: render(source, known, mode),
        lambda: render("{{" + source + "}}", known, mode),
        lambda: spread([source, "{{" + source + "}}"], known, mode),
        lambda: precedence_warnings(source),
        lambda: names(parse(source)),
        lambda: names(parse_template(source)),
    ):
        try:
            use()
        except ExpressionError as error:
            error.caret()


@settings(deadline=None)
@given(programs, worlds)
def test_a_residual_reads_back_as_what_is_left(source: str, world: dict[str, Value]) -> None:
    half = tried(source, scope(world))
    assume(half is not None)
    assert half is not None
    again = parse(half.residual)

    assert str(again) == half.residual
    if half.static:
        assert evaluate(again, scope({})).string == half.string or isinstance(half.value, dict | list)
    else:
        assert isinstance(half.rest, Expr)
        assert repr(again.root).count("Name(") == repr(half.rest.root).count("Name(")


@settings(max_examples=300, deadline=None)
@given(programs, worlds, st.sets(st.sampled_from("abcde")))
def test_two_halves_of_a_scope_give_what_the_whole_gives(source: str, world: dict[str, Value], early: set[str]) -> None:
    """Where both ways end in a value. One way may fail alone: known parts of branches not taken are computed early."""
    first = scope({name: value for name, value in world.items() if name in early})
    second = scope({name: value for name, value in world.items() if name not in early})
    whole, half = tried(source, first.over(second)), tried(source, first)
    assume(whole is not None and half is not None)
    assert whole is not None and half is not None
    finished = tried(half.residual, second)
    assume(finished is not None)
    assert finished is not None

    assert finished.static is whole.static
    assert (finished.string, finished.truthy) == (whole.string, whole.truthy)


@settings(deadline=None)
@given(programs, programs, worlds, st.sets(st.sampled_from("abcde")))
def test_templates_can_be_finished_in_two_halves(
    one: str, other: str, world: dict[str, Value], early: set[str]
) -> None:
    template = f"{{a{{{{ {one} }}}}{{{{ {other} }}}}}}{{"
    first = scope({name: value for name, value in world.items() if name in early})
    second = scope({name: value for name, value in world.items() if name not in early})
    try:
        whole = render(template, first.over(second))
        finished = render(render(template, first).residual, second)
    except ExpressionError:
        assume(False)

    assert finished.string == whole.string


@settings(deadline=None)
@given(st.text(st.characters() | st.sampled_from("{}\"'")))
def test_an_escaped_text_renders_to_itself_alone_and_among_others(text: str) -> None:
    assert render(escape(text), scope({})).string == text
    assert render(escape(text) + "{{ x }}" + escape(text), scope({"x": "-"})).string == f"{text}-{text}"
    assert escape(text).count("{{") == 0 or render(escape(text), scope({})).static


@settings(deadline=None)
@given(programs, worlds)
def test_modes_leave_nothing_open(source: str, world: dict[str, Value]) -> None:
    finished = tried(source, scope(world), Unresolved.NONE)

    assert finished is None or finished.static
