"""How many children a step has, and what each of them sees.

Called by the hosts of the state machine, which bring what only they know: ``env``, files (``names``, ``functions``).
The arithmetic is that of the language: matrix keys in written order, the last one fastest; shards are contiguous
slices, of which the first get one more, unless the names carry a history that balances them (workflow.balance).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

from workflow.balance import History, from_variables
from workflow.balance import slices as balanced_slices
from workflow.expressions import (
    ExpressionError,
    Function,
    Scope,
    Unresolved,
    Value,
    calls,
    evaluate,
    one_purse,
    parse_template,
    render,
    scope,
)
from workflow.expressions import names as names_in
from workflow.journal import ChildKind, ChildSpec
from workflow.plan.nodes import Execute, ExecuteItem, Json, Parallel, Plan, Spread, StartServices
from workflow.plan.texts import mentions

MAX_CHILDREN = 10_000
"""Children of one operation at the most."""

_INHERITED = frozenset({"services", "step"})
_NO_FUNCTIONS: Mapping[str, Function] = MappingProxyType({})


class BadSpread(ValueError):
    """The children cannot be counted out. The message is for the workflow's author."""


@one_purse()
def expand(
    operation: Execute | Parallel | StartServices,
    names: Mapping[str, Json],
    functions: Mapping[str, Function] = _NO_FUNCTIONS,
) -> tuple[ChildSpec, ...]:
    """Every child of the operation, numbered from 0; transfers are left to the host. Raises ``BadSpread``.

    What is said of a child is journalled, so no secret is resolved here: parameters that depend on one stay templates
    (``ChildSpec.references``), and elsewhere ``secret()`` is refused.
    """
    around, history = scope(names, functions={**functions, "secret": _refused}), from_variables(names)
    open_scope = scope(names, functions={name: each for name, each in functions.items() if name != "secret"})
    found: list[ChildSpec] = []
    try:
        match operation:
            case Parallel():
                everyone = _variables(operation.spread, around, history, "parallel")
                more = inherited(operation.worker, names)
                found.extend(_worker(operation, {**more, **variables}, around) for variables in everyone)
            case StartServices():
                for place, service in enumerate(operation.services):
                    more = inherited(service.worker, names)
                    for own in _variables(service.spread, around, history, f"service {service.name}", len(found)):
                        variables = {**more, **own}
                        title = _text(service.description, variables, around)
                        found.append(ChildSpec(ChildKind.SERVICE, len(found), place, "", {}, {}, variables, title))
            case Execute():
                for place, item in enumerate(operation.items):
                    what = f"execute.workflows[{place}]"
                    for variables in _variables(item.spread, around, history, what, len(found)):
                        found.append(_execution(item, place, len(found), variables, around, open_scope))
    except ExpressionError as error:
        raise BadSpread(f"{error} in {error.source[:200]!r}") from error
    return tuple(found)


def inherited(worker: Plan, names: Mapping[str, Json]) -> dict[str, Json]:
    """What a worker or a service sees of its parent's run time: ``services`` and the outputs of steps, if its texts
    ask."""
    asked = mentions(worker, _INHERITED)
    found: dict[str, Json] = {name: names[name] for name in asked if names.get(name)}
    steps = found.pop("step", None)
    if isinstance(steps, dict):
        outputs = {key: each.get("outputs") for key, each in steps.items() if isinstance(each, dict)}
        found["step"] = {key: {"outputs": values} for key, values in outputs.items() if values}
    return found


def _worker(operation: Parallel, variables: Mapping[str, Json], around: Scope) -> ChildSpec:
    index = variables["index"]
    assert isinstance(index, int)
    title = _text(operation.description, variables, around)
    return ChildSpec(ChildKind.WORKER, index, variables=variables, description=title)


def _execution(
    item: ExecuteItem, place: int, index: int, variables: Mapping[str, Json], around: Scope, open_scope: Scope
) -> ChildSpec:
    references = _references(item.config, scope(variables).over(open_scope))
    return ChildSpec(
        ChildKind.WORKFLOW,
        index,
        place,
        _text(item.name or "", variables, around),
        {key: _text(value, variables, around) for key, value in item.selector.items()},
        {key: _filled(value, variables, around) for key, value in item.config.items() if key not in references},
        variables,
        _text(item.description, variables, around),
        references=references,
    )


def _references(config: Mapping[str, Json], open_scope: Scope) -> dict[str, str]:
    """The parameters that depend on secrets, with all but those filled in."""
    found: dict[str, str] = {}
    for key, value in config.items():
        if not isinstance(value, str) or "{{" not in value or "secret" not in calls(parse_template(value)):
            continue
        rest = render(value, open_scope)
        if not rest.static:
            if rest.rest is not None and names_in(rest.rest):
                render(value, open_scope, Unresolved.FAIL)  # which says what is unknown
            found[key] = rest.residual
    return found


def _refused(values: Sequence[Value]) -> Value:
    raise ExpressionError("secret() cannot be used here: its value would stand in the journal")


# --- the arithmetic ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Counted:
    """A spread with everything evaluated."""

    matrix: Mapping[str, Sequence[Json]]
    shards: Mapping[str, Sequence[Json]]
    shard_count: int

    @property
    def total(self) -> int:
        return self.shard_count * math.prod(len(values) for values in self.matrix.values())


def _variables(
    spread: Spread, around: Scope, history: History, what: str, before: int = 0
) -> Iterator[dict[str, Json]]:
    counted = _counted(spread, around, what)
    if before + counted.total > MAX_CHILDREN:
        raise BadSpread(f"{what} asks for {before + counted.total} children; {MAX_CHILDREN} is the most")
    slices = _slices(counted, history)
    matrix_count = counted.total // counted.shard_count if counted.shard_count else 0
    for matrix_index, values in enumerate(product(*counted.matrix.values())):
        combination: dict[str, Json] = dict(zip(counted.matrix, values, strict=True))
        for shard_index, shard in enumerate(slices):
            yield {
                "index": matrix_index * counted.shard_count + shard_index,
                "count": counted.total,
                "matrixIndex": matrix_index,
                "matrixCount": matrix_count,
                "matrix": combination,
                "shardIndex": shard_index,
                "shardCount": counted.shard_count,
                "shard": shard,
            }


def _counted(spread: Spread, around: Scope, what: str) -> _Counted:
    matrix = {key: _list(values, around, f"{what}.matrix.{key}") for key, values in spread.matrix.items()}
    shards = {key: _list(values, around, f"{what}.shards.{key}") for key, values in spread.shards.items()}
    count = _number(spread.count, around, f"{what}.count")
    limit = _number(spread.max_count, around, f"{what}.maxCount")
    if count is not None and limit is not None:
        count = min(count, limit)
    elif limit is not None:
        count = min([limit, *map(len, shards.values())])
    return _Counted({key: values for key, values in matrix.items() if values}, shards, 1 if count is None else count)


def _slices(counted: _Counted, history: History) -> list[dict[str, Json]]:
    """The ``shard`` of each shard."""
    found: list[dict[str, Json]] = [{} for _ in range(counted.shard_count)]
    for key, values in counted.shards.items():
        balanced = balanced_slices(values, counted.shard_count, history) if history else None
        for shard, part in enumerate(balanced or _contiguous(values, counted.shard_count)):
            found[shard][key] = part
    return found


def _contiguous(values: Sequence[Json], count: int) -> Iterator[list[Json]]:
    size, more = divmod(len(values), count) if count else (0, 0)
    for shard in range(count):
        start = shard * size + min(shard, more)
        yield list(values[start : start + size + (shard < more)])


# --- values ------------------------------------------------------------------------------------------------------


def _number(text: str | None, around: Scope, what: str) -> int | None:
    if text is None:
        return None
    value = _value(text, around)
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf or number != int(number):
        raise BadSpread(f"{what} must be a whole number from 0, not {_shown(value)}")
    return int(number)


def _list(values: Json, around: Scope, what: str) -> list[Json]:
    """A written list, its templates filled in and those that are lists opened; or an expression that gives a list."""
    if isinstance(values, str):
        found = _value(values, around)
        if not isinstance(found, list):
            raise BadSpread(f"{what} must be a list, not {_shown(found)}")
        return [_plain(item) for item in found]
    if not isinstance(values, list):
        raise BadSpread(f"{what} must be a list, not {_shown(values)}")
    result: list[Json] = []
    for item in values:
        only = parse_template(item).only if isinstance(item, str) and "{{" in item else None
        value = evaluate(only, around, Unresolved.FAIL).value if only is not None else None
        if isinstance(value, list):
            result.extend(_plain(each) for each in value)
        else:
            result.append(_filled(item, {}, around))
    return result


def _value(text: str, around: Scope) -> Value:
    """An expression, or a template: the value of its single expression, else its text."""
    if "{{" not in text:
        return evaluate(text, around, Unresolved.FAIL).value
    only = parse_template(text).only
    return evaluate(only, around, Unresolved.FAIL).value if only is not None else _text(text, {}, around)


def _filled(value: Json, variables: Mapping[str, Json], around: Scope) -> Json:
    """The value with every text in it, at any depth, filled in."""
    match value:
        case str():
            return _text(value, variables, around)
        case list():
            return [_filled(item, variables, around) for item in value]
        case dict():
            return {key: _filled(item, variables, around) for key, item in value.items()}
        case _:
            return value


def _text(text: str, variables: Mapping[str, Json], around: Scope) -> str:
    if "{{" not in text:
        return text
    inner = scope(variables).over(around) if variables else around
    return render(text, inner, Unresolved.FAIL).string


def _plain(value: Value) -> Json:
    match value:
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case _:
            return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
