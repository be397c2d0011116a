"""The bounded jq gives what libjq gives, for the programs it takes."""

from __future__ import annotations

import jq as libjq  # type: ignore[import-not-found]
import pytest

from workflow.expressions import ExpressionError, Value, evaluate, scope
from workflow.expressions.jq import Unsupported, run
from workflow.expressions.limits import Budget

CHARACTERS = frozenset({".[0]", ".[-1]", "first", "last"})
"""Of a text these give a character, as in the reference; libjq refuses."""

INPUTS: list[Value] = [
    None,
    5,
    "a,b,,c",
    [3, 1, 2, 1],
    {"a": [1, {"c": None, "d": "x"}], "b": 1},
    [{"n": "x", "v": 1}, {"n": "y", "v": 2}, {"n": "x", "v": 3}],
    [[1, [2]], [3]],
    {"items": [{"kind": "a", "name": "p"}, {"kind": "b", "name": "q"}]},
    [True, False, None, 1, "s", [], {}],
    [],
    {},
]
PROGRAMS = """
.
.a
.a?
.a.b?
.["a"]
."a"
.[0]
.[-1]
.[]
.[]?
.[1:]
.[:2]
.[-2:]
.[]?.n?
.a[1].d?
..
[..]
length
keys
add
sort
unique
type
not
map(.v)
map(.v?)
map(.+1)
map_values(.)
first
last
any
all
flatten
group_by(.n)
sort_by(.n,.v)
unique_by(.n)
min_by(.v)
max_by(.v)
min
max
[.items[]|select(.kind=="a")|.name]
{"b":1,"a":2}|with_entries(.)
{a:1}
{(.[]?|type):1}
{a:(1,2),b:(3,4)}
[.[]?|{n,v}?]
{"a b":1}."a b"
. as $x | [$x,$x]
1 as $x | 2 as $y | [$x,$y,$x+$y]
if . then 1 else 2 end
if type=="array" then length elif type=="string" then "s" else null end
if . == null then 1 end
try error("x") catch .
try error catch .
(1,null,2)//3
empty//5
1+2*3-4/2%3
-5 % 3
1 == 1.0
[1]<[2]
null < false
true and (true,false)
null or false
"a"*3
[1,2,1]-[1]
{"a":{"b":1}}*{"a":{"c":2}}
"a,b"/","
"x\\(1+1)y\\("z")"
"\\u00e9\\t"
tojson
tojson|fromjson
@json
@base64 "x\\(1)"
"YWI="|@base64d
split(",")?
["a",null,1]|join(",")
startswith("a")?
endswith("c")?
contains("b")?
inside("a,b,,c,d")?
"a,b,c"|index(",")
"a,b,c"|rindex(",")
index(1)?
flatten(1)?
[range(5)]
[range(2;5)]
[limit(2;.[]?)]
first(range(10))
last(range(5))
any(.[]?;.==1)
all(.[]?;.==1)
reduce .[]? as $i (0;.+1)
reduce range(5) as $i ([];.+[$i*2])
reduce empty as $x (3;4)
floor?
sqrt?
[.[]?|numbers,strings]
[.[]?|tostring]
ascii_upcase?
"a,b"|ltrimstr("a,")
tonumber?
-(1)
1/3
100000000000
bad(
|
]
.[
{a:}
"x
'x'
nosuch
[.[]?|numbers|until(.>9;.+3)]
[1|while(.<50;.*2)]
[range(0;10;3),range(5;0;-2)]
[nth(2;range(9)),first(skip(1;range(3)))]
walk(if type=="number" then .+1 else . end)
[paths]
[paths(type=="number")]
getpath(["a",0])?
isempty(.[]?)
add(.[]?|numbers)
[[1,2],[3]]|transpose
[[1,2],[3,4]]|[combinations]
[0,1]|[combinations(2)]
2|IN(1,2)
"a,b, c"|indices(",")
[1,2,1]|indices(1)
"a"|in({"a":1})
[pow(2;3),pow(2;0.5)]
8|log2,cbrt
[1,"a\\"b",null,true]|@csv
[1,"a\\tb",null,true]|@tsv
@sh "echo \\("it's")"
@html "x\\("<&>")"
@uri "x=\\("a b/é")"
[97,98]|implode
"ab"|explode
"test"|test("T";"i")
"test"|[match("t";"g").offset]
"a1b2"|[scan("[a-z]([0-9])")]
"a1b2"|[scan("[0-9]")]
"x=1"|capture("(?<k>[a-z])=(?<v>[0-9])")
"aXbX"|sub("X";"-"),gsub("X";"-")
"a1"|gsub("(?<l>[a-z])";"\\(.l)\\(.l)")
"a1b2c"|split("[0-9]";null)
"a, b"|[splits(", *")]
test("a")?
1 | def
$undefined
""".strip().splitlines()


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_agrees_with_libjq(program: str) -> None:
    for value in INPUTS:
        if isinstance(value, str) and program in CHARACTERS:
            continue
        theirs: object
        try:
            theirs = libjq.compile(program).input_value(value).all()
        except ValueError:
            theirs = "error"
        ours: object
        try:
            ours = run(program, value, Budget())  # type: ignore[arg-type]
        except ExpressionError:
            ours = "error"
        except Unsupported as part:
            assert "def" in program, part
            continue
        assert ours == theirs, value


@pytest.mark.parametrize(
    "program", ["def f: 1; f", ".a = 1", "env", "$ENV", "input", "now", "foreach .[] as $x (0; 1)"]
)
def test_what_it_lacks_is_left_to_a_function_of_the_scope(program: str) -> None:
    source = "jq(v, p)"
    known = {"v": {"a": 2}, "p": program}

    assert evaluate(source, scope(known)).static is False
    assert evaluate(source, scope(known, functions={"jq": lambda values: ["full"]})).value == ["full"]


def test_integers_and_errors_are_told() -> None:
    assert evaluate('jq(list(1,2),"length").0', scope({})).string == "2"
    assert evaluate("jq(x,'.').0", scope({"x": 1e6})).string == "1e+06"
    assert evaluate("jq(1,'1000000').0", scope({})).string == "1000000"
    with pytest.raises(ExpressionError, match=r"jq\(\): boom"):
        evaluate("jq(1,'error(\"boom\")')", scope({}))
