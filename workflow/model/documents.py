"""Whole documents: workflows, templates, requests for an execution."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import Field

from .node import Boolean, Node, Template, Value
from .steps import Spec, TargetSpec

API_VERSION: Final = "testworkflows.testkube.io/v1"


class Kind(StrEnum):
    """The kinds of documents."""

    WORKFLOW = "TestWorkflow"
    TEMPLATE = "TestWorkflowTemplate"
    EXECUTION = "TestWorkflowExecution"


class Metadata(Node):
    """Kubernetes' object metadata. What only a cluster writes is read and left alone."""

    name: str = ""
    generate_name: str | None = None
    namespace: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    uid: Any = None
    resource_version: Any = None
    generation: Any = None
    creation_timestamp: Any = None
    deletion_timestamp: Any = None
    deletion_grace_period_seconds: Any = None
    finalizers: Any = None
    managed_fields: Any = None
    owner_references: Any = None
    self_link: Any = None


class Resource(Node):
    """What all documents have."""

    api_version: str = API_VERSION
    kind: Kind
    metadata: Metadata
    description: str | None = None
    status: Any = None

    @property
    def name(self) -> str:
        """The document's name."""
        return self.metadata.name

    @property
    def labels(self) -> Mapping[str, str]:
        """The document's labels."""
        return self.metadata.labels


class Workflow(Resource):
    """A TestWorkflow."""

    kind: Literal[Kind.WORKFLOW] = Kind.WORKFLOW
    spec: Spec


class WorkflowTemplate(Resource):
    """A TestWorkflowTemplate: like a workflow, but it uses no templates itself."""

    kind: Literal[Kind.TEMPLATE] = Kind.TEMPLATE
    spec: Spec


class WorkflowRef(Node):
    """A workflow by name."""

    name: str


class ExecutionRequest(Node):
    """How the workflow is to be executed."""

    name: Template | None = None
    config: dict[str, Value] = Field(default_factory=dict)
    test_workflow_execution_name: Template | None = None
    disable_webhooks: Boolean = False
    tags: dict[str, Template] = Field(default_factory=dict)
    running_context: Any = None
    target: TargetSpec | None = None


class ExecutionSpec(Node):
    """Which workflow, and how."""

    test_workflow: WorkflowRef
    execution_request: ExecutionRequest | None = None


class WorkflowExecution(Resource):
    """A TestWorkflowExecution: a request to execute a workflow once."""

    kind: Literal[Kind.EXECUTION] = Kind.EXECUTION
    spec: ExecutionSpec
