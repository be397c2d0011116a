"""A part of a document with all its texts resolved.

Called by ``resolver`` for the workflow's spec and for the spec of each template. Walks the model by its shapes, so that
no field can be forgotten; problems are noted where the text stands, and the walk goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from workflow.expressions import ExpressionError, parse, to_string
from workflow.model import Body, Node, Parallel, Reading
from workflow.model.shape import Loose, Many, Named, Part, Shape, Text, shapes_of
from workflow.problems import Problem

from .texts import Known, Reader, inner, literal, unresolved_parameters

N = TypeVar("N", bound=Node)
B = TypeVar("B", bound=Body)
Path: TypeAlias = tuple[str | int, ...]


Nested: TypeAlias = Callable[[Parallel, Known], Known]
"""What the body of a ``parallel`` that declares parameters may use, given what the document around it may."""


def without_config(node: B) -> B:
    """The body without its parameters, once they are used."""
    if not node.config:
        return node
    changed = node.model_copy(update={"config": {}})
    changed.__pydantic_fields_set__.discard("config")
    return changed


class Filling:
    """Fills the parts of one document with what is known. ``wanting`` are parameters that its texts still ask for."""

    def __init__(self, known: Known, problems: list[Problem], nested: Nested) -> None:
        self._known = known
        self._reader = Reader(known)
        self._problems = problems
        self._nested = nested
        self.wanting: dict[str, Problem] = {}

    def node(self, node: N) -> N:
        """The part with every text in it resolved; itself when nothing changed."""
        if isinstance(node, Parallel) and node.config:
            inside = Filling(self._nested(node, self._known), self._problems, self._nested)
            filled = inside.node(without_config(node))
            self.wanting = {**inside.wanting, **self.wanting}
            return filled
        updates: dict[str, Any] = {}
        shapes = shapes_of(type(node))
        for name in node.model_fields_set:
            field = shapes.get(name)
            if field is None:
                continue
            value = getattr(node, name)
            filled = self._value(node, (name,), value, field.shape)
            if filled is not value:
                updates[name] = filled
        return node.model_copy(update=updates) if updates else node

    def _value(self, node: Node, path: Path, value: Any, shape: Shape | None) -> Any:
        match shape:
            case Part() if isinstance(value, Node):
                return self.node(value)
            case Text(reading) if isinstance(value, str):
                return self._text(node, path, value, reading)
            case Text(Reading.LIST) if isinstance(value, list):
                return self._list(node, path, value)
            case Many(Text()) if isinstance(value, tuple):
                return self._texts(node, path, value)
            case Many(item) if value:
                filled = tuple(self._value(node, (*path, index), one, item) for index, one in enumerate(value))
                return _same(value, filled)
            case Named(item, key) if value:
                return self._named(node, path, value, item, key)
            case Loose():
                return self._loose(node, path, value)
            case _:
                return value

    def _named(self, node: Node, path: Path, value: dict[str, Any], item: Shape | None, key: Text | None) -> Any:
        filled = {
            self._text(node, (*path, name), name, Reading.TEMPLATE) if key else name: self._value(
                node, (*path, name), one, item
            )
            for name, one in value.items()
        }
        same = filled.keys() == value.keys() and all(filled[name] is value[name] for name in filled)
        return value if same else filled

    def _loose(self, node: Node, path: Path, value: Any) -> Any:
        match value:
            case str():
                return self._text(node, path, value, Reading.TEMPLATE)
            case dict():
                return self._named(node, path, value, Loose(), None)
            case list():
                return self._list(node, path, value)
            case _:
                return value

    def _list(self, node: Node, path: Path, value: list[Any]) -> list[Any]:
        filled: list[Any] = []
        for index, one in enumerate(value):
            spread = self._spread(node, (*path, index), one) if isinstance(one, str) else None
            filled += spread if spread is not None else [self._loose(node, (*path, index), one)]
        return filled if filled != value else value

    def _texts(self, node: Node, path: Path, value: tuple[Any, ...]) -> tuple[Any, ...]:
        filled: list[Any] = []
        for index, one in enumerate(value):
            spread = self._spread(node, (*path, index), one) if isinstance(one, str) else None
            if spread is None:
                filled.append(self._value(node, (*path, index), one, Text(Reading.TEMPLATE)))
            else:
                filled += [literal(_spelled(item)) for item in spread]
        return _same(value, tuple(filled))

    def _spread(self, node: Node, path: Path, text: str) -> list[Any] | None:
        """The items of a list that a text is, when it is exactly one known ``{{ list }}``."""
        pure = inner(text)
        if pure is text:
            return None
        try:
            found = self._reader.expression(text)
        except ExpressionError:
            return None
        return found.value if found.static and isinstance(found.value, list) else None

    def _text(self, node: Node, path: Path, text: str, reading: Reading) -> Any:
        try:
            if reading is Reading.TEMPLATE:
                filled: Any = self._reader.template(text)
                is_template = True
            else:
                filled = self._expression(text, reading)
                is_template = False
            if isinstance(filled, str) and "config" in filled:
                self._note_wanting(node, path, filled, is_template)
            return text if filled == text and type(filled) is str else filled
        except ExpressionError as error:
            at = node.where_in(path, text, error.offset)
            self._problems.append(Problem("bad-expression", error.message, at, path=node.path_of(*path)))
            return text

    def _expression(self, text: str, reading: Reading) -> Any:
        """What is left of an expression; a number or a list where the field takes one and it is known."""
        found = self._reader.expression(text)
        value = found.value
        if found.static and reading is Reading.LIST and isinstance(value, list):
            return value
        if found.static and reading is Reading.COUNT and isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value[:18])
        if found.static and reading is Reading.COUNT and isinstance(value, int | float) and not isinstance(value, bool):
            return int(value) if value == int(value) else found.residual
        bare = inner(text)
        return bare if str(parse(bare)) == found.residual else found.residual

    def _note_wanting(self, node: Node, path: Path, text: str, is_template: bool) -> None:
        if is_template and "{{" not in text:
            return
        for name in unresolved_parameters(text, template=is_template):
            message = f"config.{name} is not defined"
            problem = Problem("unknown-parameter", message, node.where(*path), path=node.path_of(*path))
            self.wanting.setdefault(name, problem)


def _same(before: tuple[Any, ...], after: tuple[Any, ...]) -> tuple[Any, ...]:
    unchanged = len(before) == len(after) and all(a is b for a, b in zip(before, after, strict=True))
    return before if unchanged else after


def _spelled(item: Any) -> str:
    return item if isinstance(item, str) else to_string(item)
