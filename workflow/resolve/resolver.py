"""A workflow made complete: its parameters filled in, its templates applied, every text resolved as far as it can be.

Called by the submission service, ``muster plan`` and ``muster resolve``. Pure: the same documents give the same result.
All problems are collected before any is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from workflow.expressions import ExpressionError, Scope, one_purse, scope
from workflow.model import Node, Parallel, Spec, TemplateRef, Workflow, WorkflowTemplate, check_complete
from workflow.model.shape import each_node
from workflow.problems import InvalidDocument, Position, Problem, errors, in_order

from .apply import body_with_templates
from .configuration import Configuring, Given, Owner
from .filling import Filling, without_config
from .parameters import Value
from .texts import Known, Reader

_MOST_USES: Final = 1_000
"""How often one workflow may use templates, all in all: a bound on what a small document may grow to."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A resolved workflow, and the values that it names as ``secret("muster.dev/config", key)``, by key."""

    workflow: Workflow
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class HandedDown:
    """Parameters of an executed workflow that depend on secrets of the one that executes it. ``values`` are kept aside
    whatever the workflow declares; ``templates`` name secrets that are known only where the workflow runs."""

    values: Mapping[str, Value] = field(default_factory=dict, repr=False)
    templates: Mapping[str, str] = field(default_factory=dict)


NOTHING: Final = HandedDown()


def resolve(
    workflow: Workflow,
    templates: Mapping[str, WorkflowTemplate],
    config: Mapping[str, Value],
    *,
    execution: Mapping[str, Any] = MappingProxyType({}),
) -> Workflow:
    """The workflow with templates and parameters applied. Raises ``InvalidDocument`` with every problem.

    ``templates`` by name (``a/b`` is ``a--b``); ``config`` are values, never templates; ``execution`` are further names
    that are known already (``{"execution": {"id": ...}}``). The texts of the result are templates still: what is not
    known yet (``env``, ``status``, ``index``, ...) stays, and what came from a value is escaped.
    """
    return resolve_with_secrets(workflow, templates, config, execution=execution).workflow


@one_purse()
def resolve_with_secrets(
    workflow: Workflow,
    templates: Mapping[str, WorkflowTemplate],
    config: Mapping[str, Value],
    *,
    execution: Mapping[str, Any] = MappingProxyType({}),
    handed: HandedDown = NOTHING,
) -> Resolution:
    """As ``resolve``; also the sensitive values, which the resolved workflow only refers to."""
    resolver = _Resolver(_named(templates), scope({**_own_names(workflow), **execution}))
    spec = resolver.spec(workflow, config, handed)
    if errors(resolver.problems):
        raise InvalidDocument(in_order(resolver.problems))
    resolved = workflow.model_copy(update={"spec": spec}).at(workflow.place)
    return Resolution(resolved, MappingProxyType(resolver.secrets))


def canonical_name(name: str) -> str:
    """A template's name as it is stored: ``distribute/evenly`` is ``distribute--evenly``."""
    return name.replace("/", "--")


def _named(templates: Mapping[str, WorkflowTemplate]) -> Mapping[str, WorkflowTemplate]:
    return {canonical_name(name): template for name, template in templates.items()}


def _own_names(workflow: Workflow) -> dict[str, Any]:
    """What every document may say about itself."""
    escaped = {"".join(c if c.isalnum() and c.isascii() else "_" for c in key): v for key, v in workflow.labels.items()}
    return {"workflow": {"name": workflow.name, "labels": dict(workflow.labels)}, "labels": escaped}


class _Resolver:
    def __init__(self, templates: Mapping[str, WorkflowTemplate], further: Scope) -> None:
        self._templates = templates
        self._further = further
        self._uses = 0
        self.problems: list[Problem] = []
        self.secrets: dict[str, str] = {}

    def spec(self, workflow: Workflow, config: Mapping[str, Value], handed: HandedDown = NOTHING) -> Spec:
        owner = Owner(f"workflow {workflow.name!r}", lambda name: Position(f"config {name}".strip()))
        later = {name: Reader(Known()).rendered(text) for name, text in handed.templates.items()}
        given: dict[str, Given] = {**config, **later, **handed.values}
        filled = self._filled(workflow.spec, given, owner, frozenset(handed.values))
        applied = body_with_templates(filled, self._template)
        if not errors(self.problems):
            self.problems += check_complete(applied)
        return applied

    def _template(self, reference: TemplateRef) -> Spec | None:
        """The spec of the template that a reference names, filled with its parameters."""
        template = self._templates.get(canonical_name(reference.name))
        at = reference.where("name")
        if template is None:
            near = get_close_matches(canonical_name(reference.name), list(self._templates), n=1)
            hint = f"did you mean {near[0]!r}?" if near else ""
            message = f"there is no template {reference.name!r}"
            self._note(Problem("unknown-template", message, at, hint=hint))
            return None
        self._uses += 1
        if self._uses > _MOST_USES:
            if self._uses == _MOST_USES + 1:
                self._note(Problem("too-many-templates", f"templates are used more than {_MOST_USES} times", at))
            return None
        owner = Owner(f"template {reference.name!r}", lambda name: _given_at(reference, name))
        filled = self._filled(template.spec, self._given(reference), owner)
        used = _uses_of_templates(filled)
        for place in used:
            message = f"the template {reference.name!r} uses templates, which templates cannot"
            self._note(Problem("template-in-template", message, place))
        return None if used else filled

    def _given(self, reference: TemplateRef) -> dict[str, Given]:
        """The parameters that a reference gives; its texts were resolved with the document that it stands in."""
        reader = Reader(Known())
        given: dict[str, Given] = {}
        for name, value in reference.config.items():
            try:
                given[name] = reader.rendered(value) if isinstance(value, str) else value
            except ExpressionError as error:
                at = reference.where_in(("config", name), str(value), error.offset)
                self._note(Problem("bad-expression", error.message, at))
        return given

    def _filled(
        self, spec: Spec, given: Mapping[str, Given], owner: Owner, hidden: frozenset[str] = frozenset()
    ) -> Spec:
        """A document's spec with its parameters in all its texts."""
        configuring = Configuring(spec.config, given, owner, self.secrets, self.problems, self._further, hidden)
        filling = Filling(configuring.known(), self.problems, self._nested)
        filled = filling.node(without_config(spec))
        for name in sorted(configuring.missing):
            if name in filling.wanting or not _mentions(spec, name):
                message = f"{owner.label} needs the parameter {name!r}"
                hint = spec.config[name].description or ""
                self._note(Problem("missing-parameter", message, owner.given_at(""), hint=hint))
        for name, problem in filling.wanting.items():
            if name not in configuring.missing:
                self._note(problem)
        return filled

    def _nested(self, parallel: Parallel, around: Known) -> Known:
        """The parameters of a ``parallel``'s own body: its defaults, over what the document around it has."""
        owner = Owner("parallel", lambda name: parallel.where("config"))
        configuring = Configuring(parallel.config, {}, owner, self.secrets, self.problems, around.seen())
        own = configuring.known()
        for name in sorted(configuring.missing - set(around.values) - set(around.stand_ins)):
            at = parallel.where("config", name)
            self._note(Problem("missing-parameter", f"the parameter {name!r} needs a default here", at))
        return Known({**around.values, **own.values}, {**around.stand_ins, **own.stand_ins}, around.further)

    def _note(self, problem: Problem) -> None:
        self.problems.append(problem)


def _given_at(reference: TemplateRef, name: str) -> Position:
    if name and name in reference.config:
        return reference.where("config", name)
    return reference.where("name")


def _mentions(spec: Spec, name: str) -> bool:
    """Whether a parameter that is missing was asked for and the text could do without it (``any(config.x, 5)``)."""
    return f"config.{name}" in str(without_config(spec).dump())


def _uses_of_templates(spec: Spec) -> list[Position]:
    found: list[Position] = []

    def look(node: Node) -> None:
        found.extend(node.where(name) for name in ("use", "template") if getattr(node, name, None))

    each_node(spec, look)
    return found
