"""From the parameters that a document declares and what it was given, to what its texts may use.

Called by ``resolver``, once for the workflow, once for each use of a template, once for each body of ``parallel`` that
declares its own. Values are cast and held against their constraints; what is secret becomes a reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, TypeAlias

from workflow.entrusted import SECRET_NAME
from workflow.expressions import ExpressionError, Scope, Template
from workflow.expressions.syntax import Argument, Call, Literal, Node
from workflow.model import Parameter, ParameterType
from workflow.problems import Position, Problem

from .parameters import BadParameter, Value, cast
from .texts import Known, Reader, as_expression, unresolved_parameters

Given: TypeAlias = "Value | Template"
"""A parameter as it was given: a value, or a template that is not known yet."""

_CASTS: Final = {
    ParameterType.STRING: "string",
    ParameterType.INTEGER: "int",
    ParameterType.NUMBER: "float",
    ParameterType.BOOLEAN: "bool",
}


@dataclass(frozen=True, slots=True)
class Owner:
    """Who declares parameters and who gives them, for messages. ``given_at`` is where a given one stands (the empty
    name: where they are given at all)."""

    label: str
    given_at: Callable[[str], Position]


@dataclass(slots=True)
class Configuring:
    """One configuration in the making. ``secrets`` is filled with the values of sensitive parameters, by key."""

    declared: Mapping[str, Parameter]
    given: Mapping[str, Given]
    owner: Owner
    secrets: dict[str, str]
    problems: list[Problem]
    further: Scope
    hidden: frozenset[str] = frozenset()
    """Parameters whose given values are secret, whatever the document declares."""
    values: dict[str, Value] = field(default_factory=dict)
    stand_ins: dict[str, Node] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def known(self) -> Known:
        """What the texts may use. Problems are noted on the way."""
        self._refuse_unknown()
        waiting: list[str] = []
        for name, parameter in self.declared.items():
            if name in self.given:
                self._take(name, self.given[name], self.owner.given_at(name))
            elif parameter.default is None:
                self.missing.add(name)
            elif isinstance(parameter.default, str) and "{{" in parameter.default:
                waiting.append(name)
            else:
                self._take(name, parameter.default, parameter.where("default"))
        self._take_defaults(waiting)
        return Known(self.values, self.stand_ins, self.further)

    def _take_defaults(self, waiting: list[str]) -> None:
        """Defaults that are templates, each after those that it asks for."""
        while waiting:
            later = [name for name in waiting if not self._take_default(name, frozenset(waiting))]
            if len(later) == len(waiting):
                for name in later:
                    at = self.declared[name].where("default")
                    message = f"the defaults of {' and '.join(sorted(later))} stand for each other"
                    self.problems.append(Problem("endless-default", message, at))
                return
            waiting = later

    def _take_default(self, name: str, waiting: frozenset[str]) -> bool:
        default = str(self.declared[name].default)
        at = self.declared[name].where("default")
        try:
            resolved = Reader(Known(self.values, self.stand_ins, self.further)).rendered(default)
            if isinstance(resolved, Template) and unresolved_parameters(str(resolved), template=True) & waiting:
                return False
        except ExpressionError as error:
            at = self.declared[name].where_in(("default",), default, error.offset)
            self.problems.append(Problem("bad-expression", f"in the default of {name}: {error.message}", at))
            return True
        self._take(name, resolved, at)
        return True

    def _take(self, name: str, given: Given, at: Position) -> None:
        parameter = self.declared[name]
        if name in self.hidden:
            parameter = parameter.model_copy(update={"sensitive": True})
        if isinstance(given, Template):
            node = as_expression(given)
            self.stand_ins[name] = Call(_CASTS[parameter.type], (Argument(node),))
            return
        try:
            value = cast(parameter, given)
        except BadParameter as error:
            self.problems.append(Problem("bad-parameter", f"{self._named(name)} {error}", at))
            return
        if parameter.sensitive:
            self.stand_ins[name] = self._secret(name, value)
        else:
            self.values[name] = value

    def _secret(self, name: str, value: Value) -> Node:
        """A reference to the value, which itself is kept aside."""
        text = str(value).lower() if isinstance(value, bool) else str(value)
        key, number = name, 1
        while self.secrets.get(key, text) != text:
            number += 1
            key = f"{name}.{number}"
        self.secrets[key] = text
        call = Call("secret", (Argument(Literal(SECRET_NAME)), Argument(Literal(key))))
        cast_to = self.declared[name].type
        return call if cast_to is ParameterType.STRING else Call(_CASTS[cast_to], (Argument(call),))

    def _refuse_unknown(self) -> None:
        for name in self.given:
            if name not in self.declared:
                near = get_close_matches(name, list(self.declared), n=1)
                known = ", ".join(self.declared)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {known}" if known else "it has none"
                message = f"{self.owner.label} has no parameter {name!r}"
                self.problems.append(Problem("unknown-parameter", message, self.owner.given_at(name), hint=hint))

    def _named(self, name: str) -> str:
        return f"the parameter {name!r} of {self.owner.label}"
