"""What the types of the fields cannot say: which fields exclude each other, and what their texts must look like.

Called by ``parse`` on a document whose fields are right. Texts with templates are left to the resolver and
the planner, which know their values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Final

from workflow.expressions import ExpressionError, parse, parse_template
from workflow.problems import MAX_PROBLEMS, Problem, first_of

from .content import FileContent, GitContent, GitRetry
from .documents import Workflow, WorkflowTemplate
from .forms import BadForm, check_cron, check_quantity, check_zone, delay_microseconds, microseconds
from .kubernetes import EnvVar, Resources, ValueSource
from .node import Node, Reading
from .parameters import Parameter, ParameterType
from .shape import Written, each_node, texts_of
from .steps import Body, CronJob, Execute, Parallel, Run, Service, Step, TargetSpec, Timeouts

_VERBOSITY: Final = ("quiet", "normal", "verbose")
_AUTH: Final = ("basic", "header", "github")
_RESTART: Final = ("OnFailure", "Never")
_ENV_NAME: Final = re.compile(r"[^\s=\x00]+")

Found = Iterator[Problem]


class _Enough(Exception):
    """More problems were found than are reported."""


def check(node: Node) -> list[Problem]:
    """Every problem of meaning in the node and all that is inside it, up to ``MAX_PROBLEMS``."""
    problems: list[Problem] = []
    with suppress(_Enough):
        _checked(node, problems)
    if isinstance(node, Workflow | WorkflowTemplate):
        problems += _step_ids(node.spec)
    if isinstance(node, WorkflowTemplate):
        problems += _templates_in_template(node)
    return first_of(problems)


def _checked(node: Node, problems: list[Problem]) -> None:
    def look(part: Node) -> None:
        if len(problems) > MAX_PROBLEMS:
            raise _Enough
        for rule in _rules_of(type(part)):
            problems.extend(rule(part))
        for written in texts_of(part):
            problems.extend(_syntax(part, written))

    each_node(node, look)


def check_complete(node: Node) -> list[Problem]:
    """The problems that show only when templates and parameters are filled in: bad values, and what nobody gave."""
    problems: list[Problem] = []

    def look(part: Node) -> None:
        for rule in _rules_of(type(part)):
            problems.extend(rule(part))
        if isinstance(part, GitContent) and not part.uri:
            problems.append(problem("missing-field", "uri is missing", part))

    each_node(node, look)
    return problems


@cache
def _rules_of(kind: type[Node]) -> tuple[Callable[[Any], Found], ...]:
    return tuple(rule for holder, rules in _RULES if issubclass(kind, holder) for rule in rules)


def _syntax(node: Node, written: Written) -> Found:
    """Whether the text can be read as what it is: a template or an expression."""
    text = written.text
    try:
        if "{{" in text:
            parse_template(text)
        elif written.reading is not Reading.TEMPLATE:
            parse(text)
    except ExpressionError as error:
        at = node.where_in(written.path, text, error.offset)
        if written.is_key:
            at = node.where(*written.path, key=True)
        what = "template" if written.reading is Reading.TEMPLATE or "{{" in text else "expression"
        yield Problem(f"bad-{what}", f"in this {what}: {error.message}", at, path=node.path_of(*written.path))


def problem(code: str, message: str, node: Node, *path: str | int, hint: str = "") -> Problem:
    """A problem with a field of a node; ``path`` begins with the field's name in Python."""
    return Problem(code, message, node.where(*path), hint=hint, path=node.path_of(*path))


def _run(node: Run) -> Found:
    if node.shell is not None:
        for field in ("command", "args"):
            if getattr(node, field) is not None:
                yield problem("shell-and-command", f"shell and {field} exclude each other", node, field)


def _step(node: Step | Parallel) -> Found:
    if node.delay is not None:
        yield from _form(delay_microseconds, node, "delay")
    yield from _form(microseconds, node, "timeout")


def _service(node: Service) -> Found:
    yield from _form(microseconds, node, "timeout")
    yield from _choice(node, "restart_policy", _RESTART)


def _timeouts(node: Timeouts) -> Found:
    yield from _form(microseconds, node, "queue")
    yield from _form(microseconds, node, "initialization")


def _git_retry(node: GitRetry) -> Found:
    yield from _form(microseconds, node, "delay")


def _git(node: GitContent) -> Found:
    yield from _choice(node, "verbosity", _VERBOSITY)
    yield from _choice(node, "auth_type", _AUTH)
    for field in ("username", "token", "ssh_key"):
        if getattr(node, field) is not None and getattr(node, f"{field}_from") is not None:
            yield problem("two-sources", f"{field} is given twice: as text and by reference", node, f"{field}_from")


def _file(node: FileContent) -> Found:
    if node.content is not None and node.content_from is not None:
        yield problem("two-sources", "content and contentFrom exclude each other", node, "content_from")


def _env(node: EnvVar) -> Found:
    if not _ENV_NAME.fullmatch(node.name) and "{{" not in node.name:
        yield problem("bad-value", f"{node.name!r} is no name for an environment variable", node, "name")
    if node.value is not None and node.value != "" and node.value_from is not None:
        yield problem("two-sources", "value and valueFrom exclude each other", node, "value_from")


def _source(node: ValueSource) -> Found:
    given = [name for name in type(node).model_fields if getattr(node, name) is not None]
    if len(given) != 1:
        amount = "no source is given" if not given else "only one source may be given"
        yield problem("two-sources" if given else "missing-field", amount, node, *given[1:2])


def _resources(node: Resources) -> Found:
    for field in ("limits", "requests"):
        amounts: Mapping[str, object] = getattr(node, field) or {}
        for name, amount in amounts.items():
            if isinstance(amount, str) and "{{" not in amount:
                yield from _form(check_quantity, node, field, name, value=amount)


def _cron(node: CronJob) -> Found:
    yield from _form(check_cron, node, "cron")
    yield from _form(check_zone, node, "timezone")


def _target(node: TargetSpec) -> Found:
    for field in ("match", "not_"):
        for label, values in getattr(node, field).items():
            if not values:
                yield problem("bad-value", f"the list of values for {label!r} is empty", node, field, label)
    if node.name is not None and "name" in node.match:
        yield problem("two-sources", "name is given twice: short and under match", node, "name")


def _execute(node: Execute) -> Found:
    if not node.workflows and not node.tests:
        yield problem("missing-field", "execute needs workflows", node)
    for item in node.workflows:
        if not item.name and item.selector is None:
            yield problem("missing-field", "a workflow's name or selector is missing", item)
        elif item.name and item.selector is not None:
            yield problem("two-sources", "name and selector exclude each other", item, "selector")
        if item.selector is not None and not item.selector.match_labels:
            yield problem("missing-field", "matchLabels is missing or empty", item, "selector")


def _parameter(node: Parameter) -> Found:
    if isinstance(node.default, float) and node.type is ParameterType.INTEGER and not node.default.is_integer():
        yield problem("bad-value", f"the default {node.default} is no integer", node, "default")
    if node.minimum is not None and node.maximum is not None and node.minimum > node.maximum:
        yield problem("bad-value", "minimum is above maximum: no value can be right", node, "minimum")
    if node.min_length is not None and node.max_length is not None and node.min_length > node.max_length:
        yield problem("bad-value", "minLength is above maxLength: no value can be right", node, "min_length")
    if node.multiple_of is not None and node.multiple_of <= 0:
        yield problem("bad-value", "multipleOf must be above 0", node, "multiple_of")
    if node.enum is not None and not node.enum:
        yield problem("bad-value", "enum is empty: no value can be right", node, "enum")


def _form(check_form: Callable[[str], object], node: Node, *path: str, value: str | None = None) -> Found:
    text = value if value is not None else getattr(node, path[0])
    if text is None or "{{" in text:
        return
    try:
        check_form(text)
    except BadForm as error:
        yield problem("bad-value", f"{node.alias_path(path)[-1]}: {error}", node, *path)


def _choice(node: Node, field: str, allowed: tuple[str, ...]) -> Found:
    value = getattr(node, field)
    if value and "{{" not in value and value not in allowed:
        name = node.alias_path((field,))[0]
        choices = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
        yield problem("bad-value", f"{name} must be {choices}, not {value!r}", node, field)


def _step_ids(body: Body) -> Found:
    """Ids that stand twice in one name space; the body of each ``parallel`` has its own."""
    seen: dict[str, Step] = {}
    inner: list[Body] = []

    def look(steps: tuple[Step, ...]) -> Found:
        for step in steps:
            if step.id is not None and step.id in seen:
                first = seen[step.id].where("id").line
                yield problem("duplicate-id", f"the id {step.id!r} is used twice (first in line {first})", step, "id")
            elif step.id is not None:
                seen[step.id] = step
            if step.parallel is not None:
                inner.append(step.parallel)
            yield from look(step.setup)
            yield from look(step.steps)

    yield from look((*body.setup, *body.steps, *body.after))
    for nested in inner:
        yield from _step_ids(nested)


def _templates_in_template(template: WorkflowTemplate) -> list[Problem]:
    found: list[Problem] = []

    def look(node: Node) -> None:
        if isinstance(node, Body | Step | Service):
            used = [field for field in ("use", "template") if getattr(node, field, None)]
            found.extend(problem("template-in-template", "templates cannot use templates", node, f) for f in used)

    each_node(template, look)
    return found


_RULES: Final[tuple[tuple[type[Node], tuple[Callable[[Any], Found], ...]], ...]] = (
    (Step, (_step,)),
    (Parallel, (_step,)),
    (Service, (_service,)),
    (Run, (_run,)),
    (EnvVar, (_env,)),
    (ValueSource, (_source,)),
    (Resources, (_resources,)),
    (GitContent, (_git,)),
    (GitRetry, (_git_retry,)),
    (FileContent, (_file,)),
    (Timeouts, (_timeouts,)),
    (CronJob, (_cron,)),
    (TargetSpec, (_target,)),
    (Execute, (_execute,)),
    (Parameter, (_parameter,)),
)
