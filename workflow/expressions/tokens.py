"""From characters to tokens.

Called by ``parser``. Knows the spelling of things only. A token's place counts characters from the start of the text,
also inside a template, so that messages point into what the user wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from workflow.expressions.data import NONE, Datum
from workflow.expressions.encoding import read_json
from workflow.expressions.errors import ExpressionError
from workflow.expressions.limits import MAX_TOKENS
from workflow.expressions.syntax import Operator


class Sort(Enum):
    """What a token is."""

    NAME = auto()
    PROPERTY = auto()
    LITERAL = auto()
    OPERATOR = auto()
    NOT = auto()
    OPEN = auto()
    CLOSE = auto()
    QUESTION = auto()
    COLON = auto()
    COMMA = auto()
    SPREAD = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token: ``text`` as written (a property without its dot), ``value`` when it is a literal."""

    sort: Sort
    text: str
    offset: int
    value: Datum = NONE


_PUNCTUATION = {
    ",": Sort.COMMA,
    "(": Sort.OPEN,
    ")": Sort.CLOSE,
    ":": Sort.COLON,
    "?": Sort.QUESTION,
    "!": Sort.NOT,
    "...": Sort.SPREAD,
}
_BLANK = r"[\t\n\f\r ]"
_NEXT = re.compile(
    rf"""(?P<blank>{_BLANK}+)
    |(?P<operator>!=|<>|==|>=|<=|&&|\*\*|\|\||[+\-*/><=%])
    |(?P<mark>[,():?!]|\.\.\.)
    |(?P<constant>(?:null|true|false)(?![a-zA-Z0-9_.]))
    |(?P<single>'(?:\\'|[^'])*')
    |(?P<double>")
    |(?P<json>[\[{{])
    |(?P<number>[0-9])
    |(?P<name>[a-zA-Z_][a-zA-Z0-9_]*(?:{_BLANK}*\.{_BLANK}*(?:[a-zA-Z0-9_]+|\*))*)
    |\.(?P<property>{_BLANK}*(?:[a-zA-Z0-9_]+|\*))""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]*)?(?P<power>[eE][+-]?[0-9]*)?")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_RAW = re.compile(r"\\.|[\n\t]", re.DOTALL)
_SINGLE = re.compile(r"""\\.|["\n\t]""", re.DOTALL)
_OPERATORS = {operator.value: operator for operator in Operator}
_CONSTANTS: dict[str, Datum] = {"null": NONE, "true": True, "false": False}
_ESCAPES = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\'": "'"}


def tokens_from(text: str, start: int = 0) -> tuple[list[Token], int]:
    """The tokens from ``start`` up to the end or to the first character that begins none, and that place.

    Raises ``ExpressionError``, placed, for a malformed number, string, list or map.
    """
    found: list[Token] = []
    place = start
    while match := _NEXT.match(text, place):
        group, written = str(match.lastgroup), match[0]
        end = match.end()
        if group == "operator":
            found.append(Token(Sort.OPERATOR, written, place))
        elif group == "mark":
            found.append(Token(_PUNCTUATION[written], written, place))
        elif group == "name":
            found.append(Token(Sort.NAME, written, place))
        elif group == "property":
            found.append(Token(Sort.PROPERTY, match["property"], place))
        elif group != "blank":
            value, end = _literal(group, text, match)
            found.append(Token(Sort.LITERAL, text[place:end], place, value))
        if len(found) > MAX_TOKENS:
            raise ExpressionError(f"more than {MAX_TOKENS} words and signs in one expression", offset=start)
        place = end
    return found, place


def operator(token: Token) -> Operator:
    """The operator that an OPERATOR token names."""
    return _OPERATORS[token.text]


def _literal(group: str, text: str, match: re.Match[str]) -> tuple[Datum, int]:
    place = match.start()
    match group:
        case "constant":
            return _CONSTANTS[match[0]], match.end()
        case "number":
            return _number(text, place)
        case "double":
            return _double(text, place)
        case "single":
            return _single(match[0], place), match.end()
        case _:
            return read_json(text, place)


def _number(text: str, place: int) -> tuple[Datum, int]:
    found = _NUMBER.match(text, place)
    if found is None or found["fraction"] == "." or (found["power"] or "0")[-1] in "eE+-":
        raise ExpressionError("malformed number: digits are missing", offset=place)
    value = float(found[0])
    if value == float("inf"):
        raise ExpressionError("the number is out of range", offset=place)
    return value, found.end()


def _double(text: str, place: int) -> tuple[Datum, int]:
    found = _STRING.match(text, place)
    if found is None:
        raise ExpressionError("the string is not closed", offset=place)
    escaped = _RAW.sub(lambda raw: _ESCAPES.get(raw[0], raw[0]), found[0])
    return _decoded(escaped, place), found.end()


def _single(written: str, place: int) -> Datum:
    inner = _SINGLE.sub(lambda raw: _ESCAPES.get(raw[0], raw[0]), written[1:-1])
    return _decoded(f'"{inner}"', place)


def _decoded(string: str, place: int) -> Datum:
    try:
        value, end = read_json(string)
    except ExpressionError as error:
        reason = error.message.removeprefix("not valid JSON: ")
        raise ExpressionError(f"malformed string: {reason}", offset=place) from None
    if end != len(string):
        raise ExpressionError("malformed string", offset=place)
    return value
