"""Reading a jq program: recursive descent, straight into filters.

Called by ``program``. What the full language has and this part has not raises ``Unsupported``; what neither has is an
``ExpressionError``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from workflow.expressions.errors import ExpressionError
from workflow.expressions.jq import filters
from workflow.expressions.jq.filters import Filter, of_value
from workflow.expressions.jq.forms import ALL_FORMATS, ALL_VALUES
from workflow.expressions.jq.further import FILTERS_FURTHER, STREAMS_FURTHER
from workflow.expressions.jq.matching import PATTERNS
from workflow.expressions.jq.operations import OPERATIONS
from workflow.expressions.jq.scanner import Scanner
from workflow.expressions.jq.streams import ELSEWHERE, FILTERS, STREAMS
from workflow.expressions.numbers import parsed_float

_MAX_PARTS: Final = 150
_MAX_NESTING: Final = 30
_KEYWORDS: Final = frozenset(
    (
        "and",
        "or",
        "if",
        "then",
        "elif",
        "else",
        "end",
        "try",
        "catch",
        "reduce",
        "foreach",
        "as",
        "def",
        "import",
        "include",
        "label",
    )
)
_DEFINING: Final = ("def", "import", "include", "label")
_COMPARISON: Final = 3
_COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=")
_ASSIGNMENTS: Final = ("=", "|=", "+=", "-=", "*=", "/=", "%=", "//=")
_CONSTANTS: Final[dict[str, bool | None]] = {"null": None, "true": True, "false": False}


_WITHOUT: Final = {**STREAMS, **STREAMS_FURTHER}
_WITH_ARGUMENTS: Final = {**FILTERS, **FILTERS_FURTHER, **PATTERNS}


class Unsupported(Exception):
    """The program uses a part of jq that is not offered here; ``str()`` names it."""


class Reading:
    """A walk over a program. ``_known`` are the variables in sight."""

    __slots__ = ("_depth", "_known", "_parts", "_scan")

    def __init__(self, source: str) -> None:
        self._scan = Scanner(source)
        self._known: list[str] = []
        self._parts = 0
        self._depth = 0

    def program(self) -> Filter:
        """The whole program. Raises ``ExpressionError`` or ``Unsupported``."""
        if self._scan.sort == "end":
            raise ExpressionError('jq(): the query is empty (try ".")')
        made = self._pipe()
        if self._scan.sort != "end":
            raise self._scan.unexpected()
        return made

    def _made(self, made: Filter) -> Filter:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise ExpressionError(f"jq(): more than {_MAX_PARTS} operations in one program")
        return made

    def _pipe(self) -> Filter:
        if self._depth >= _MAX_NESTING:
            raise ExpressionError(f"jq(): nested deeper than {_MAX_NESTING} levels")
        if self._scan.at(*_DEFINING):
            raise Unsupported(f"'{self._scan.token}'")
        self._depth += 1
        made = self._comma()
        if self._scan.take("as"):
            name = self._variable()
            self._scan.expect("|")
            made = self._made(filters.bound(made, name, self._having(name, self._pipe)))
        elif self._scan.take("|"):
            made = self._made(filters.piped(made, self._pipe()))
        self._depth -= 1
        return made

    def _having(self, name: str, read: Callable[[], Filter]) -> Filter:
        self._known.append(name)
        made = read()
        self._known.pop()
        return made

    def _variable(self) -> str:
        if self._scan.sort != "variable":
            raise Unsupported("destructuring") if self._scan.at("[", "{") else self._scan.unexpected()
        name = self._scan.token
        self._scan.advance()
        return name

    def _comma(self) -> Filter:
        made = self._operation(0)
        while self._scan.take(","):
            made = self._made(filters.both(made, self._operation(0)))
        return made

    def _operation(self, least: int) -> Filter:
        """Operands joined by signs or words that bind at least as tightly as the rank ``least``."""
        made = self._signed()
        while self._scan.sort in ("sign", "word") and (found := _OPERATORS.get(self._scan.token)):
            rank, right, join = found
            if rank < least:
                break
            self._scan.advance()
            made = self._made(join(made, self._operation(right)))
            if rank == _COMPARISON and self._scan.at(*_COMPARISONS):
                raise self._scan.unexpected()
        if self._scan.at(*_ASSIGNMENTS):
            raise Unsupported("assignment")
        return made

    def _signed(self) -> Filter:
        negative = self._scan.take("-")
        positive = not negative and self._scan.take("+")
        made = self._postfix(self._term())
        if positive:
            return self._made(filters.affirmed(made))
        return self._made(filters.negated(made)) if negative else made

    def _postfix(self, made: Filter) -> Filter:
        scan = self._scan
        while True:
            if scan.sort == "field":
                key = filters.constant(scan.token[1:])
                scan.advance()
                made = self._index(made, key)
            elif scan.take("?"):
                made = self._made(filters.attempted(made, None))
            elif scan.take("["):
                made = self._bracket(made)
            elif scan.take("."):
                if not scan.at('"', "["):
                    raise scan.unexpected()
                made = made if scan.at("[") else self._index(made, self._string(None))
            else:
                return made

    def _bracket(self, made: Filter) -> Filter:
        """After ``[``: every item, one item, or a slice."""
        scan = self._scan
        if scan.take("]"):
            return self._made(filters.piped(made, filters.every_if_any if scan.take("?") else filters.every))
        start = filters.constant(None) if scan.at(":") else self._pipe()
        if not scan.take(":"):
            scan.expect("]")
            return self._index(made, start)
        end = filters.constant(None) if scan.at("]") else self._pipe()
        scan.expect("]")
        return self._made(filters.sliced_by(made, start, end, bool(scan.take("?"))))

    def _index(self, made: Filter, key: Filter) -> Filter:
        return self._made(filters.indexed_by(made, key, bool(self._scan.take("?"))))

    def _term(self) -> Filter:
        scan, token = self._scan, self._scan.token
        match scan.sort:
            case "number":
                scan.advance()
                return filters.constant(_number(token))
            case "field":
                return filters.identity
            case "variable":
                if token not in self._known:
                    raise Unsupported(token) if token in ("$ENV", "$__loc__") else scan.unexpected()
                scan.advance()
                return self._made(filters.variable(token))
            case "format":
                scan.advance()
                return self._format(token)
            case "word":
                return self._word(token)
        return self._sign()

    def _sign(self) -> Filter:
        scan = self._scan
        made: Filter = filters.identity
        if scan.at('"'):
            return self._string(None)
        if scan.take("."):
            return self._index(made, self._string(None)) if scan.at('"') else made
        if scan.take(".."):
            return self._made(filters.descended)
        if scan.take("("):
            made = self._pipe()
            scan.expect(")")
            return made
        if scan.take("["):
            items = None if scan.at("]") else self._pipe()
            scan.expect("]")
            return self._made(filters.collected(items))
        if scan.take("{"):
            return self._object()
        raise scan.unexpected()

    def _word(self, word: str) -> Filter:
        scan = self._scan
        if word in _CONSTANTS:
            scan.advance()
            return filters.constant(_CONSTANTS[word])
        if scan.take("if"):
            return self._choice()
        if scan.take("try"):
            tried = self._postfix(self._term())
            caught = self._postfix(self._term()) if scan.take("catch") else None
            return self._made(filters.attempted(tried, caught))
        if scan.take("reduce"):
            return self._reduce()
        if word in _KEYWORDS:
            raise Unsupported(f"'{word}'") if word == "foreach" else scan.unexpected()
        scan.advance()
        return self._call(word)

    def _choice(self) -> Filter:
        """After ``if`` or ``elif``, up to and with ``end``."""
        scan = self._scan
        condition = self._pipe()
        scan.expect("then")
        then = self._pipe()
        if scan.take("elif"):
            otherwise = self._choice()
        else:
            otherwise = self._pipe() if scan.take("else") else filters.identity
            scan.expect("end")
        return self._made(filters.chosen(condition, then, otherwise))

    def _reduce(self) -> Filter:
        scan = self._scan
        source = self._postfix(self._term())
        scan.expect("as")
        name = self._variable()
        scan.expect("(")
        start = self._pipe()
        scan.expect(";")
        update = self._having(name, self._pipe)
        scan.expect(")")
        return self._made(filters.reduced(source, name, start, update))

    def _call(self, name: str) -> Filter:
        arguments: list[Filter] = []
        if self._scan.take("("):
            arguments.append(self._pipe())
            while self._scan.take(";"):
                arguments.append(self._pipe())
            self._scan.expect(")")
        if not arguments and name in ALL_VALUES:
            return self._made(of_value(ALL_VALUES[name]))
        if not arguments and name in _WITHOUT:
            return self._made(_WITHOUT[name])
        made = _WITH_ARGUMENTS.get((name, len(arguments)))
        if made is not None:
            return self._made(made(*arguments))
        if name in ELSEWHERE:
            raise Unsupported(f"{name}/{len(arguments)}")
        raise ExpressionError(f"jq(): there is no function {name}/{len(arguments)}")

    def _format(self, name: str) -> Filter:
        if name not in ALL_FORMATS:
            raise Unsupported(name)
        return (
            self._string(of_value(ALL_FORMATS[name])) if self._scan.at('"') else self._made(of_value(ALL_FORMATS[name]))
        )

    def _string(self, form: Filter | None) -> Filter:
        """A string that begins here; ``form`` is applied to what stands in ``\\( )``."""
        scan = self._scan
        parts: list[str | Filter] = [scan.literal_text()]
        while scan.string_goes_on():
            scan.advance()
            inner = self._pipe()
            if not scan.at(")"):
                raise scan.unexpected()
            parts.append(self._made(filters.piped(inner, form) if form else inner))
            parts.append(scan.literal_text())
        scan.advance()
        if len(parts) == 1:
            return filters.constant(parts[0] if isinstance(parts[0], str) else None)
        return self._made(filters.interpolated(parts))

    def _object(self) -> Filter:
        """After ``{``, up to and with ``}``."""
        scan = self._scan
        fields: list[tuple[Filter, Filter]] = []
        while not scan.take("}"):
            if fields:
                scan.expect(",")
            fields.append(self._field())
        return self._made(filters.built(fields))

    def _field(self) -> tuple[Filter, Filter]:
        scan, token = self._scan, self._scan.token
        if scan.sort == "variable":
            value = self._term()
            return filters.constant(token[1:]), value
        if scan.take("("):
            key = self._pipe()
            scan.expect(")")
            scan.expect(":")
            return key, self._field_value()
        if scan.at('"') or scan.sort == "format":
            key = self._term()
        elif scan.sort == "word":
            key = filters.constant(token)
            scan.advance()
        else:
            raise scan.unexpected()
        return key, self._field_value() if scan.take(":") else self._made(filters.indexed_by(filters.identity, key))

    def _field_value(self) -> Filter:
        """Terms joined by ``|``: a comma ends the field."""
        made = self._operation(0)
        while self._scan.take("|"):
            made = self._made(filters.piped(made, self._operation(0)))
        return made


def _number(token: str) -> int | float:
    if token.isdigit() and len(token) <= 18:
        return int(token)
    return parsed_float(token) or 0.0


_Join: TypeAlias = Callable[[Filter, Filter], Filter]


def _or(one: Filter, other: Filter) -> Filter:
    return filters.logical(one, other, True)


def _and(one: Filter, other: Filter) -> Filter:
    return filters.logical(one, other, False)


_OPERATORS: Final[dict[str, tuple[int, int, _Join]]] = {
    "//": (0, 0, filters.alternative),
    "or": (1, 2, _or),
    "and": (2, 3, _and),
    **{sign: (_COMPARISON, 4, filters.operator(OPERATIONS[sign])) for sign in _COMPARISONS},
    **{sign: (4, 5, filters.operator(OPERATIONS[sign])) for sign in "+-"},
    **{sign: (5, 6, filters.operator(OPERATIONS[sign])) for sign in "*/%"},
}
"""Rank of each operator, the least rank of what may stand on its right, and what it makes."""
