"""The JSON Schema of the three kinds of documents, for editors.

Called by ``muster schema``. Derived from the model, so that it cannot say anything else than the parser.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from .documents import API_VERSION, Resource, Workflow, WorkflowExecution, WorkflowTemplate


def json_schema() -> dict[str, Any]:
    """One schema (draft 2020-12) for a document of any kind."""
    kinds: tuple[type[Resource], ...] = (Workflow, WorkflowTemplate, WorkflowExecution)
    references, schema = models_json_schema(
        [(kind, "validation") for kind in kinds], by_alias=True, ref_template="#/$defs/{model}"
    )
    definitions: dict[str, Any] = schema["$defs"]
    for kind in kinds:
        own = definitions[kind.__name__]
        own["required"] = sorted({*own.get("required", ()), "apiVersion", "kind", "metadata", "spec"})
        own["properties"]["apiVersion"] = {"const": API_VERSION}
    definitions["Metadata"]["required"] = ["name"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Documents of {API_VERSION}",
        "oneOf": [references[(kind, "validation")] for kind in kinds],
        "$defs": definitions,
    }
