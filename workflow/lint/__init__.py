"""What is allowed and probably not meant: warnings about a workflow, each with its place.

Called by ``muster lint`` and after a submission. Errors are not its business (the parser and the resolver find them);
what it warns of runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from workflow.expressions import precedence_warnings
from workflow.labels import Labels, Target, matches, shortfall
from workflow.lint.globs import directories_of, matches_nothing, mounts_of
from workflow.lint.images import cannot_be
from workflow.model import (
    Artifacts,
    Body,
    ContainerConfig,
    CronJob,
    Execute,
    ExecuteWorkflow,
    ExecutionDefaults,
    Node,
    Parallel,
    Parameter,
    Reading,
    Step,
    TargetSpec,
    Workflow,
    WorkflowTemplate,
)
from workflow.model.shape import each_node, texts_of
from workflow.problems import Problem, Severity, in_order
from workflow.resolve.formats import KNOWN

Found = Iterator[Problem]


@dataclass(frozen=True, slots=True)
class World:
    """What is known of the place where the workflow will run (``agents`` None: nothing), and what it mounts."""

    honours_images: bool
    agents: Mapping[str, Labels] | None
    mounts: frozenset[str]
    directories: Mapping[int, str | None]
    """By the identity of an ``artifacts``, where its patterns begin."""


def lint(
    document: Workflow | WorkflowTemplate,
    *,
    honours_images: bool = True,
    agents: Mapping[str, Labels] | None = None,
) -> tuple[Problem, ...]:
    """All warnings, in the order of their places.

    ``honours_images`` is false for the process executor; ``agents`` are the labels of the agents by name, when known.
    """
    directories = {id(node): path for node, path in directories_of(document.spec)}
    world = World(honours_images, agents, mounts_of(document), directories)
    problems: list[Problem] = list(_after(document.spec))

    def look(node: Node) -> None:
        problems.extend(_precedence(node))
        for kind, rule in _RULES:
            if isinstance(node, kind):
                problems.extend(rule(node, world))

    each_node(document, look)
    return in_order(problems)


def _precedence(node: Node) -> Found:
    for written in texts_of(node):
        template = "{{" in written.text
        if written.is_key or (written.reading is Reading.TEMPLATE and not template):
            continue
        for offset, message in precedence_warnings(written.text, template=template):
            at = node.where_in(written.path, written.text, offset)
            yield Problem("precedence", message, at, Severity.WARNING, path=node.path_of(*written.path))


def _after(body: Body) -> Found:
    for step in body.after:
        if step.condition is None:
            message = "this step does not run when steps failed"
            yield _warning("after-without-condition", message, step, hint="add `condition: always`")


def _parallel(node: Parallel, world: World) -> Found:
    yield from _after(node)


def _artifacts(node: Artifacts, world: World) -> Found:
    kept = [path for path in node.paths if not path.startswith("!")]
    excluded = frozenset(path[1:] for path in node.paths if path.startswith("!"))
    if not kept:
        yield _warning("empty-artifacts", "no path is kept: nothing will be stored", node, "paths")
    directory = world.directories.get(id(node), node.working_dir)
    for index, path in enumerate(node.paths):
        reason = matches_nothing(path, directory, world.mounts, excluded)
        if reason:
            yield _warning("empty-glob", f"{path!r} can match nothing: {reason}", node, "paths", index)


def _image(node: ContainerConfig, world: World) -> Found:
    if node.image is None:
        return
    if not world.honours_images:
        message = f"the process executor cannot use the image {node.image!r}: the tools of the host are used"
        yield _warning("image-ignored", message, node, "image")
    elif reason := cannot_be(node.image):
        yield _warning("bad-image", f"no pod can have the image {node.image!r}: {reason}", node, "image")


def _target(node: ExecutionDefaults | ExecuteWorkflow | CronJob, world: World) -> Found:
    spec: TargetSpec | None = node.target
    if spec is None or world.agents is None:
        return
    target = spec.to_target()
    if "{{" not in str(target) and not _fits(target, world.agents):
        yield _warning("target-without-agent", shortfall(target, world.agents), spec)


def _fits(target: Target, agents: Mapping[str, Labels]) -> bool:
    return any(matches(target, labels) for labels in agents.values())


def _execute(node: Execute, world: World) -> Found:
    if node.tests:
        message = "`tests` is of the old kind and does nothing"
        yield _warning("legacy-tests", message, node, "tests", hint="use `workflows`")


def _parameter(node: Parameter, world: World) -> Found:
    if node.format and node.format not in KNOWN:
        message = f"the format {node.format!r} is not known, so it is not checked"
        yield _warning("unknown-format", message, node, "format", hint=f"known: {', '.join(sorted(KNOWN))}")


def _step(node: Step, world: World) -> Found:
    if node.retry is not None and node.run is None and node.shell is None and node.execute is None and _is_group(node):
        message = "retry applies to the step's own run, shell, execute, git, tarball and artifacts, and it has none"
        yield _warning("retry-without-operation", message, node, "retry")


def _is_group(node: Step) -> bool:
    return node.artifacts is None and node.content is None and node.template is None and not node.use


def _warning(code: str, message: str, node: Node, *path: str | int, hint: str = "") -> Problem:
    return Problem(code, message, node.where(*path), Severity.WARNING, hint, node.path_of(*path))


_RULES: Final[tuple[tuple[type[Node], Callable[..., Found]], ...]] = (
    (Parallel, _parallel),
    (Artifacts, _artifacts),
    (ContainerConfig, _image),
    (ExecutionDefaults, _target),
    (ExecuteWorkflow, _target),
    (CronJob, _target),
    (Execute, _execute),
    (Step, _step),
    (Parameter, _parameter),
)
