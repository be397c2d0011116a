"""Documents into the model, or every reason why not.

Called by the submission service, the command line and lint. Ties the reader, the model, the translation of errors and
the checks together; holds no rule of its own beyond names and kinds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from workflow.expressions import one_purse
from workflow.problems import InvalidDocument, Problem, errors, in_order
from workflow.source import Data, Document, Place, read

from .checks import check
from .documents import API_VERSION, Kind, Resource, Workflow, WorkflowExecution, WorkflowTemplate
from .node import Node
from .shape import Many, Named, Part, Shape, shapes_of
from .translate import problems_of

_MODELS: Final[Mapping[str, type[Resource]]] = {
    Kind.WORKFLOW: Workflow,
    Kind.TEMPLATE: WorkflowTemplate,
    Kind.EXECUTION: WorkflowExecution,
}
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The documents of a file. ``problems`` are warnings only where ``parse_documents`` made it."""

    workflows: tuple[Workflow, ...] = ()
    templates: tuple[WorkflowTemplate, ...] = ()
    executions: tuple[WorkflowExecution, ...] = ()
    problems: tuple[Problem, ...] = ()


def parse_documents(text: str | bytes, file: str) -> Parsed:
    """All documents of a file. Raises ``InvalidDocument`` with every problem of every document in it."""
    parsed = examine_documents(text, file)
    if errors(parsed.problems):
        raise InvalidDocument(parsed.problems)
    return parsed


@one_purse()
def examine_documents(text: str | bytes, file: str) -> Parsed:
    """The documents of a file that are right, and every problem of the others. Never raises for what the text says."""
    documents, read_problems = read(text, file)
    problems = list(read_problems)
    resources: list[Resource] = []
    seen: dict[tuple[str, str], Document] = {}
    for document in documents:
        try:
            resources.append(parse_document(document))
        except InvalidDocument as refused:
            problems += refused.problems
        problems += _repeated(document, seen)
    return Parsed(
        tuple(r for r in resources if isinstance(r, Workflow)),
        tuple(r for r in resources if isinstance(r, WorkflowTemplate)),
        tuple(r for r in resources if isinstance(r, WorkflowExecution)),
        in_order(problems),
    )


def parse_document(document: Document) -> Resource:
    """One document of any kind. Raises ``InvalidDocument``."""
    model = _MODELS.get(document.kind)
    if model is None:
        raise InvalidDocument((_unknown_kind(document),))
    return _parse(document, model)


def parse_workflow(document: Document) -> Workflow:
    """One TestWorkflow. Raises ``InvalidDocument``, also when the document is of another kind."""
    return _of_kind(document, Workflow, Kind.WORKFLOW)


def parse_template(document: Document) -> WorkflowTemplate:
    """One TestWorkflowTemplate. Raises ``InvalidDocument``, also when the document is of another kind."""
    return _of_kind(document, WorkflowTemplate, Kind.TEMPLATE)


def _of_kind(document: Document, model: type[R], kind: Kind) -> R:
    if document.kind != kind:
        at = document.position(("kind",))
        message = f"the kind must be {kind.value}, not {document.kind or 'missing'}"
        raise InvalidDocument((Problem("wrong-kind", message, at, path=("kind",)),))
    return _parse(document, model)


def _parse(document: Document, model: type[R]) -> R:
    problems = _header(document)
    parsed, details = _validated(document.data, model)
    if parsed is None or details:
        raise InvalidDocument((*problems, *problems_of(details, document, model)))
    _attach(parsed, document.place, ())
    problems += check(parsed)
    if errors(problems):
        raise InvalidDocument(problems)
    return parsed


def _validated(data: dict[str, Data], model: type[R]) -> tuple[R | None, list[ErrorDetails]]:
    """The model of the data, or what is wrong. A key without a value counts as absent, as in the reference."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    without = _without_nulls(data)
    if without == data:
        return None, details
    unknown = [detail for detail in details if detail["type"] == "extra_forbidden"]
    try:
        return model.model_validate(without), unknown
    except ValidationError as error:
        return None, unknown + error.errors(include_url=False)


def _without_nulls(data: Data) -> Data:
    match data:
        case dict():
            return {key: _without_nulls(value) for key, value in data.items() if value is not None}
        case list():
            return [_without_nulls(value) for value in data]
        case _:
            return data


def _header(document: Document) -> list[Problem]:
    problems: list[Problem] = []
    version = document.data.get("apiVersion")
    if version != API_VERSION:
        said = "is missing" if version is None else f"must be {API_VERSION}, not {str(version)[:80]!r}"
        at = document.position(("apiVersion",))
        problems.append(Problem("wrong-version", f"apiVersion {said}", at, path=("apiVersion",)))
    path = ("metadata", "name")
    if not document.name:
        if isinstance(document.data.get("metadata", {}), dict):
            problems.append(Problem("missing-field", "metadata.name is missing", document.position(path), path=path))
    elif not _NAME.fullmatch(document.name.replace("/", "--")):
        message = f"{document.name[:80]!r} is not a name (a-z, 0-9, '-' and '.', at most 253 characters)"
        problems.append(Problem("bad-name", message, document.position(path), path=path))
    return problems


def _unknown_kind(document: Document) -> Problem:
    known = [kind.value for kind in Kind]
    near = get_close_matches(document.kind, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    message = f"the kind {document.kind[:80]!r} is unknown" if document.kind else "kind is missing"
    return Problem("wrong-kind", message, document.position(("kind",)), hint=hint, path=("kind",))


def _repeated(document: Document, seen: dict[tuple[str, str], Document]) -> list[Problem]:
    if not document.name or document.kind not in _MODELS:
        return []
    first = seen.setdefault((document.kind, document.name), document)
    if first is document:
        return []
    line = first.position(("metadata", "name")).line
    message = f"{document.kind} {document.name!r} is defined twice (first in line {line})"
    path = ("metadata", "name")
    return [Problem("duplicate-document", message, document.position(path), path=path)]


def _attach(node: Node, place: Place, path: tuple[str | int, ...]) -> None:
    """Tells every node where it stood."""
    node.at(place, path)
    inside = place[3]
    if not isinstance(inside, Mapping):
        return
    shapes = shapes_of(type(node))
    for name in node.model_fields_set:
        field = shapes.get(name)
        if field is not None and field.alias in inside:
            _attach_value(getattr(node, name), field.shape, inside[field.alias][2], (*path, field.alias))


def _attach_value(value: object, shape: Shape, place: Place, path: tuple[str | int, ...]) -> None:
    inside = place[3]
    match shape, value, inside:
        case Part(), Node(), _:
            _attach(value, place, path)
        case Many(Part()), tuple(), list():
            for index, (item, at) in enumerate(zip(value, inside, strict=True)):
                _attach(item, at, (*path, index))
        case Named(Part()), dict(), dict():
            for key, item in value.items():
                _attach(item, inside[key][2], (*path, key))
        case _:
            return
