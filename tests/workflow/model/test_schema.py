"""The schema for editors says what the parser does."""

from __future__ import annotations

import json

from workflow.model import json_schema


def test_the_schema_holds_every_kind_and_the_fields_as_documents_spell_them() -> None:
    schema = json_schema()
    assert [ref["$ref"] for ref in schema["oneOf"]] == [
        "#/$defs/Workflow",
        "#/$defs/WorkflowTemplate",
        "#/$defs/WorkflowExecution",
    ]
    step = schema["$defs"]["Step"]
    assert {"workingDir", "shell", "parallel"} <= set(step["properties"])
    assert step["additionalProperties"] is False
    assert "hostPID" in schema["$defs"]["PodConfig"]["properties"]
    assert schema["$defs"]["Workflow"]["properties"]["kind"]["const"] == "TestWorkflow"


def test_every_reference_leads_somewhere() -> None:
    schema = json_schema()
    text = json.dumps(schema)
    names = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert names <= set(schema["$defs"])
