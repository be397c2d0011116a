"""Names filled into a plan's texts: some of them while the rest stays open (``bind``), or all of them (``finish``).

``bind`` is called when an execution is made: with the facts about it, and for workers and services with their own
variables. ``finish`` is called by the conductor for the one operation that it is about to do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from workflow.expressions import (
    ExpressionError,
    Function,
    Lookup,
    Scope,
    Unresolved,
    Value,
    evaluate,
    render,
    scope,
    spread,
)
from workflow.plan.nodes import ExecuteItem, Json, Operation, Parallel, Plan, Service, Step, walk
from workflow.plan.texts import Reader, mapped

T = TypeVar("T", Plan, Step)
P = TypeVar("P")

CHILD_NAMES = frozenset({"index", "count", "matrixIndex", "matrixCount", "shardIndex", "shardCount"})
"""Names that every child has of its own; ``matrix.<key>`` and ``shard.<key>`` it has for its own keys."""
OPEN_NAMES = frozenset({"execution", "output", "services", "step", "workflow"})
"""Names of which others may know more: what is missing in them stays open, where a missing ``matrix.<key>`` is none."""
_NO_FUNCTIONS: Mapping[str, Function] = MappingProxyType({})


class BadText(ValueError):
    """A text cannot be filled in: an unknown name, a wrong type. The message is for the workflow's author."""


def bind(plan: Plan, variables: Mapping[str, Json]) -> Plan:
    """The plan with ``variables`` filled into every text; what they do not know stays as it is. Raises ``BadText``.

    Texts stay templates. Steps of the plan hide those of the same id in ``variables["step"]``; children of the plan's
    own steps hide ``index``, ``matrix.<key>``, ... by their own.
    """
    known = _without_own_steps(plan, variables)
    return mapped(plan, _Binding(known)) if known else plan


def bind_part(part: P, variables: Mapping[str, Json]) -> P:
    """``bind`` for a part of a plan, such as a target or one item of ``execute``, as its child sees it."""
    return mapped(part, _Binding(variables)) if variables else part


def finish(
    operation: Operation,
    names: Mapping[str, Json],
    *,
    functions: Mapping[str, Function] = _NO_FUNCTIONS,
    lookup: Lookup | None = None,
) -> Operation:
    """The operation with every text final: no ``{{ }}`` is left, nothing is escaped any more. Raises ``BadText`` for
    what is unknown.

    ``lookup`` answers for names that cannot be listed, such as ``env``.
    """
    return mapped(operation, _Finishing(scope(names, functions=functions, lookup=lookup)))


class _Binding:
    """Fills in what is known and leaves templates."""

    def __init__(self, names: Mapping[str, Json], more: frozenset[str] = OPEN_NAMES) -> None:
        self._names = names
        self._open = more
        self._scope: Scope | None = None
        self._mentioned = re.compile(r"\b(?:" + "|".join(map(re.escape, sorted(names))) + r")\b") if names else None

    def template(self, text: str) -> str:
        """The text, a template still."""
        if "{{" not in text or not self._concerned(text):
            return text
        try:
            return _same(text, render(text, self._known()).residual)
        except ExpressionError as error:
            raise _bad(text, error) from error

    def expression(self, text: str) -> str:
        """The expression, with what is known computed."""
        if not self._concerned(text):
            return text
        if "{{" in text:
            return self.template(text)
        try:
            return _same(text, evaluate(text, self._known()).residual)
        except ExpressionError as error:
            raise _bad(text, error) from error

    def spread(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """The texts, those that are known lists opened."""
        if not any(self._concerned(text) for text in texts):
            return texts
        try:
            return _same(texts, tuple(spread(texts, self._known())))
        except ExpressionError as error:
            raise _bad(str(texts), error) from error

    def inside(self, spreading: Parallel | Service | ExecuteItem) -> Reader:
        """The same without the names that each child has of its own."""
        names = {key: value for key, value in self._names.items() if key not in CHILD_NAMES}
        more = self._open | {"matrix", "shard"}
        for name, own in (("matrix", spreading.spread.matrix), ("shard", spreading.spread.shards)):
            outer = names.pop(name, None)
            if isinstance(outer, dict) and (kept := {key: value for key, value in outer.items() if key not in own}):
                names[name] = kept
        return _Binding(names, more)

    def _concerned(self, text: str) -> bool:
        return self._mentioned is not None and self._mentioned.search(text) is not None

    def _known(self) -> Scope:
        if self._scope is None:
            names, more = self._names, self._open

            def look_up(path: tuple[str, ...]) -> tuple[bool, Value]:
                if len(path) == 1 and path[0] in more:
                    return False, None
                value: Value = dict(names)
                for key in path:
                    if not isinstance(value, dict) or key not in value:
                        return False, None
                    value = value[key]
                return True, value

            self._scope = scope({}, lookup=look_up)
        return self._scope


class _Finishing:
    """Fills in everything."""

    def __init__(self, known: Scope) -> None:
        self._scope = known

    def template(self, text: str) -> str:
        """The final text."""
        if "{{" not in text:
            return text
        try:
            return render(text, self._scope, Unresolved.FAIL).string
        except ExpressionError as error:
            raise _bad(text, error) from error

    def expression(self, text: str) -> str:
        """Conditions of others are not ours to answer."""
        return text

    def spread(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """The final texts, lists opened."""
        try:
            return tuple(spread(texts, self._scope, Unresolved.FAIL))
        except ExpressionError as error:
            raise _bad(str(texts), error) from error

    def inside(self, spreading: Parallel | Service | ExecuteItem) -> Reader:
        """Children are filled in when they are made."""
        return _Untouched()


class _Untouched:
    """Leaves every text."""

    def template(self, text: str) -> str:
        """The text."""
        return text

    def expression(self, text: str) -> str:
        """The text."""
        return text

    def spread(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """The texts."""
        return texts

    def inside(self, spreading: Parallel | Service | ExecuteItem) -> Reader:
        """The same."""
        return self


def _without_own_steps(plan: Plan, variables: Mapping[str, Json]) -> Mapping[str, Json]:
    around = variables.get("step")
    if not isinstance(around, dict):
        return variables
    own = {step.id for step in walk(plan.steps) if step.id} | {"results"}
    return {**variables, "step": {key: value for key, value in around.items() if key not in own}}


def _same(before: P, after: P) -> P:
    return before if after == before else after


def _bad(text: str, error: ExpressionError) -> BadText:
    return BadText(f"{error} in {text[:200]!r}")
