"""What pydantic says about wrong data, said again so that the author of the document understands it.

Called by ``parse``. Knows the data, the model and the places; one problem for each place, however many alternatives
failed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final, TypeAlias

from pydantic_core import ErrorDetails

from workflow.problems import MAX_PROBLEMS, Problem, first_of
from workflow.source import Data, Document

from .node import Node, alias_of
from .shape import Many, Named, Part, Shape, shapes_of

Path: TypeAlias = tuple[str | int, ...]

_KINDS: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def problems_of(details: Iterable[ErrorDetails], document: Document, model: type[Node]) -> list[Problem]:
    """Every problem in the document that the details of a ValidationError tell of."""
    by_path: dict[Path, list[ErrorDetails]] = {}
    for detail in details:
        by_path.setdefault(_path(detail, document.data), []).append(detail)
    few = islice(by_path.items(), MAX_PROBLEMS + 1)
    return first_of([_problem(path, grouped, document, model) for path, grouped in few])


def _path(detail: ErrorDetails, data: Data) -> Path:
    """The path in the document: the error's own, without the names of alternatives that pydantic puts in between."""
    path: list[str | int] = []
    here: Data = data
    for step in detail["loc"]:
        match here, step:
            case dict(), str() if step in here:
                here = here[step]
            case list(), int() if step < len(here):
                here = here[step]
            case _:
                continue
        path.append(step)
    if detail["type"] == "missing":
        path.append(detail["loc"][-1])
    return tuple(path)


def _problem(path: Path, details: list[ErrorDetails], document: Document, model: type[Node]) -> Problem:
    first = details[0]
    name = path[-1] if path else "the document"
    if first["type"] == "extra_forbidden":
        message, hint = _unknown(path, model)
        return Problem("unknown-field", message, document.position(path, key=True), hint=hint, path=path)
    if first["type"] == "missing":
        at = document.position(path[:-1])
        return Problem("missing-field", f"{name} is missing", at, path=path)
    at = document.position(path)
    kinds = list(dict.fromkeys(_KINDS[d["type"]] for d in details if d["type"] in _KINDS))
    if not kinds:
        return Problem("bad-value", f"{_field(path)}: {_reason(details)}", at, path=path)
    value = first["input"]
    message = f"{_field(path)} must be {' or '.join(kinds)}, not {_said(value)}"
    raw = document.raw(at) if isinstance(value, bool | int | float) else ""
    return Problem("wrong-type", message, at, hint=_type_hint(kinds, value, raw), path=path)


def _field(path: Sequence[str | int]) -> str:
    if path and isinstance(path[-1], int):
        return f"item {path[-1] + 1} of {path[-2] if len(path) > 1 else 'the list'}"
    return str(path[-1]) if path else "the document"


def _reason(details: list[ErrorDetails]) -> str:
    detail = details[-1]
    context = detail.get("ctx", {})
    match detail["type"]:
        case "string_pattern_mismatch":
            return f"{_said(detail['input'])} does not match {context.get('pattern')}"
        case "string_too_short":
            return "must not be empty"
        case "greater_than_equal":
            return f"must be at least {context.get('ge')}"
        case "less_than_equal":
            return f"must be at most {context.get('le')}"
        case "enum" | "literal_error":
            return f"must be {context.get('expected')}, not {_said(detail['input'])}"
        case _:
            return str(detail["msg"])[:200]


def _said(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value[:40]!r}" if len(value) <= 40 else f"the text {value[:37]!r}..."
        case list():
            return "a list"
        case _:
            return "a mapping"


def _type_hint(kinds: list[str], value: object, raw: str) -> str:
    if "text" in kinds and raw:
        return f'put it in quotes: "{raw}"'
    if isinstance(value, str) and "{{" in value and "text" not in kinds:
        return "no template is possible here"
    if isinstance(value, str) and kinds == ["true or false"] and value.lower() in ("true", "false", "y", "n"):
        return "write true or false without quotes"
    if isinstance(value, str) and kinds == ["a whole number"] and value.strip("+-").isdigit():
        return f"write {value} without quotes"
    if kinds == ["a list"] and not isinstance(value, list):
        return "write it as an item, with '- ' before it"
    if kinds == ["a mapping"] and isinstance(value, list):
        return "remove the '- '"
    return ""


def _unknown(path: Path, model: type[Node]) -> tuple[str, str]:
    name = str(path[-1])
    owner = _model_at(path[:-1], model)
    where = f" in {_field(path[:-1])}" if path[:-1] else ""
    message = f"unknown field {name!r}{where}"
    if owner is None:
        return message, ""
    known = [alias_of(owner, field) for field in owner.model_fields]
    near = get_close_matches(name, known, n=1, cutoff=0.6) or [k for k in known if k.lower() == name.lower()]
    if near:
        return message, f"did you mean {near[0]!r}?"
    inside = _inside(name, owner)
    if inside:
        return message, f"did you mean {inside}?"
    return message, f"known here: {', '.join(sorted(known))}" if len(known) <= 12 else ""


def _inside(name: str, owner: type[Node]) -> str:
    """Where else the field exists: in a part of this one."""
    parts = [(f.alias, f.shape.model) for f in shapes_of(owner).values() if isinstance(f.shape, Part)]
    holders = [alias for alias, part in parts if any(alias_of(part, field) == name for field in part.model_fields)]
    ranked = sorted(holders, key=lambda holder: holder not in ("run", "container", "spec", "metadata"))
    return f"{ranked[0]}.{name}" if ranked else ""


def _model_at(path: Path, model: type[Node]) -> type[Node] | None:
    """The class of the node at a path of names as documents spell them."""
    shape: Shape | None = Part(model)
    for step in path:
        match shape:
            case Part(owner):
                shape = next((field.shape for field in shapes_of(owner).values() if field.alias == step), None)
            case Many(item) | Named(item):
                shape = item
            case _:
                return None
    return shape.model if isinstance(shape, Part) else None
