"""What a person asks to run, read from a submission. Pure; used by submission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workflow.labels import Target, from_data
from workflow.model import ExecutionRequest, Parsed, Workflow, WorkflowExecution, WorkflowTemplate, parse_documents
from workflow.plan.nodes import Json
from workflow.problems import InvalidDocument, Position, Problem
from workflow.views import NewRun

MAX_KEY = 200
MAX_TAGS = 64
MAX_TAG = 253


@dataclass(frozen=True, slots=True)
class Asked:
    """What to run: a parsed workflow, or the name of one in the catalog; and how."""

    workflow: Workflow | None = None
    name: str = ""
    templates: Mapping[str, WorkflowTemplate] = field(default_factory=dict)
    config: Mapping[str, Json] = field(default_factory=dict, repr=False)
    target: Target | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def asked(new: NewRun) -> Asked:
    """What the submission asks for. InvalidDocument with all problems of the document; ValueError with a sentence."""
    _check(new)
    target = from_data(new.target) if new.target else None
    if new.document is None:
        return Asked(None, new.workflow or "", config=new.config, target=target, tags=new.tags)
    parsed = parse_documents(new.document, new.file or "document")
    request = _request(parsed, new.file or "document")
    templates = {template.name.replace("/", "--"): template for template in parsed.templates}
    how = request.spec.execution_request if request is not None else None
    wanted = request.spec.test_workflow.name if request is not None else (new.workflow or "")
    workflow = _chosen(parsed, wanted, new.file or "document")
    return Asked(
        workflow=workflow,
        name=workflow.name if workflow is not None else wanted,
        templates=templates,
        config={**_config(how), **new.config},
        target=target or (how.target.to_target() if how is not None and how.target is not None else None),
        tags={**(how.tags if how is not None else {}), **new.tags},
    )


def _check(new: NewRun) -> None:
    if new.document is None and not new.workflow:
        raise ValueError("a submission needs a document or the name of a workflow")
    if new.key is not None and not 0 < len(new.key) <= MAX_KEY:
        raise ValueError(f"an idempotency key has 1 to {MAX_KEY} characters")
    if len(new.tags) > MAX_TAGS or any(len(key) > MAX_TAG or len(value) > MAX_TAG for key, value in new.tags.items()):
        raise ValueError(f"a run has at most {MAX_TAGS} tags of at most {MAX_TAG} characters")


def _config(how: ExecutionRequest | None) -> Mapping[str, Json]:
    return how.config if how is not None else {}


def _request(parsed: Parsed, file: str) -> WorkflowExecution | None:
    if len(parsed.executions) > 1:
        raise _ambiguous(file, "TestWorkflowExecution", [request.name for request in parsed.executions])
    return parsed.executions[0] if parsed.executions else None


def _chosen(parsed: Parsed, wanted: str, file: str) -> Workflow | None:
    """The workflow of the file that is wanted: the named one, else the only one. None: the catalog must have it."""
    for workflow in parsed.workflows:
        if workflow.name == wanted:
            return workflow
    if wanted:
        return None
    if len(parsed.workflows) == 1:
        return parsed.workflows[0]
    if parsed.workflows:
        raise _ambiguous(file, "TestWorkflow", [workflow.name for workflow in parsed.workflows])
    raise InvalidDocument((Problem("no-workflow", "there is no TestWorkflow in it", Position(file)),))


def _ambiguous(file: str, kind: str, names: list[str]) -> InvalidDocument:
    message = f"it holds {len(names)} documents of kind {kind} ({', '.join(names[:5])}): which one is to be run?"
    hint = "apply the file, then run one of them by its name"
    return InvalidDocument((Problem("several-workflows", message, Position(file), hint=hint),))
