"""What every part of the model has in common: strict fields, camelCase in documents, and a memory of where it stood.

The marks ``Template``, ``Expression``, ... say how a field's text is read (the column E of the language's tables); the
syntax check, the resolver and the JSON Schema take it from here and from nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue, Strict
from pydantic.alias_generators import to_camel

from workflow.problems import Position
from workflow.source import Place, place_at, position_at, position_inside


class Reading(StrEnum):
    """How the text of a field is to be read."""

    TEMPLATE = "template"
    """Text that may hold ``{{ expression }}``."""
    EXPRESSION = "expression"
    """The whole text is an expression."""
    COUNT = "count"
    """A number, or an expression that gives one."""
    LIST = "list"
    """A list of templates, or one expression (or template) that gives the list."""
    FORCE = "force"
    """Every text inside, at any depth, is a template."""
    KEYS = "keys"
    """A mapping whose keys are templates as well as its values."""


Integer: TypeAlias = Annotated[int, Strict()]
Boolean: TypeAlias = Annotated[bool, Strict()]
Template: TypeAlias = Annotated[str, Reading.TEMPLATE]
Expression: TypeAlias = Annotated[str, Reading.EXPRESSION]
IntegerOrText: TypeAlias = Annotated[Integer | str, Reading.TEMPLATE]
IntegerOrExpression: TypeAlias = Annotated[Integer | str, Reading.COUNT]
Scalar: TypeAlias = Annotated[bool, Strict()] | Integer | float | str
Value: TypeAlias = Annotated[Scalar, Reading.TEMPLATE]
"""A parameter's value; texts may be templates."""
Structure: TypeAlias = Annotated[dict[str, JsonValue], Reading.FORCE]
"""A structure of Kubernetes, kept as it was written."""
Listed: TypeAlias = Annotated[list[JsonValue] | str, Reading.LIST]
TextMap: TypeAlias = Annotated[dict[str, Template], Reading.KEYS]


class Node(BaseModel):
    """A part of a document. Immutable; compared by value, wherever it stood."""

    model_config = ConfigDict(
        defer_build=True,  # validators are made when the first document comes: 3 MB and a tenth of a second
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_default=False,
        protected_namespaces=(),
        ser_json_inf_nan="constants",
    )

    @property
    def place(self) -> Place | None:
        """Where this part stood, if it came from a file."""
        found: Place | None = self.__dict__.get("_place")
        return found

    def at(self, place: Place | None, path: tuple[str | int, ...] | None = None) -> Self:
        """Remembers where this part stood, and its path in the document where that is said. Not a change of its value,
        hence allowed on a frozen node."""
        self.__dict__["_place"] = place
        if path is not None:
            self.__dict__["_path"] = path
        return self

    def path_of(self, *path: str | int) -> tuple[str | int, ...]:
        """The path in the document of a field of this part by its name in Python, and on inside it."""
        return (*self.__dict__.get("_path", ()), *self.alias_path(path))

    def where(self, *path: str | int, key: bool = False) -> Position:
        """The position of a field of this part by its name in Python (``where("working_dir")``), and on inside it."""
        if self.place is None:
            return Position("")
        return position_at(self.place, self.alias_path(path), key=key)

    def where_in(self, path: Sequence[str | int], value: str, offset: int) -> Position:
        """The position of a character of a field's text: ``offset`` characters into ``value``."""
        if self.place is None:
            return Position("")
        return position_inside(place_at(self.place, self.alias_path(path)), value, offset)

    def alias_path(self, path: Sequence[str | int]) -> tuple[str | int, ...]:
        """``path`` with its first name as documents spell it."""
        if path and isinstance(path[0], str) and path[0] in type(self).model_fields:
            return (alias_of(type(self), path[0]), *path[1:])
        return tuple(path)

    def dump(self) -> dict[str, Any]:
        """Plain data as documents spell it, only with what was set."""
        return self.model_dump(by_alias=True, exclude_unset=True, mode="json", exclude_none=True)


def alias_of(model: type[Node], field: str) -> str:
    """A field's name as documents spell it."""
    return model.model_fields[field].alias or field
