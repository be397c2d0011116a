"""What a file of documents becomes, and where everything stood."""

from __future__ import annotations

import json

import pytest

from workflow.problems import InvalidDocument, Position
from workflow.source import read, read_documents

WORKFLOW = """\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata:
  name: first
spec:
  steps:
  - shell: one
  - shell: two
"""


def test_a_document_knows_its_kind_name_and_places() -> None:
    [document] = read_documents(WORKFLOW, "w.yaml")
    assert (document.kind, document.name, document.file) == ("TestWorkflow", "first", "w.yaml")
    assert document.position(("spec", "steps", 1, "shell")) == Position("w.yaml", 8, 12)
    assert document.position(("spec", "steps", 1, "shell"), key=True) == Position("w.yaml", 8, 5)


def test_a_path_that_was_not_written_has_the_position_of_what_surrounds_it() -> None:
    [document] = read_documents(WORKFLOW, "w.yaml")
    assert document.position(("spec", "steps", 1, "run", "image")) == Position("w.yaml", 8, 5)
    assert document.position(("spec", "steps", 7)) == Position("w.yaml", 7, 3)


def test_several_documents_and_empty_ones() -> None:
    documents = read_documents(f"---\n{WORKFLOW}---\n# nothing\n---\n{WORKFLOW.replace('first', 'second')}", "w.yaml")
    assert [d.name for d in documents] == ["first", "second"]
    assert documents[1].position(("kind",)).line == 14


def test_json_is_read_as_it_is() -> None:
    data = {"kind": "TestWorkflow", "spec": {"steps": [{"shell": 'say "hi"\n'}], "n": [1, 2.5]}}
    [document] = read_documents(json.dumps(data, indent="\t").encode(), "w.json")
    assert document.data == data


def test_the_items_of_a_list_are_documents() -> None:
    listed = "kind: List\nitems:\n- kind: A\n  metadata: {name: a}\n- kind: B\n  metadata: {name: b}\n"
    documents = read_documents(listed, "l.yaml")
    assert [d.name for d in documents] == ["a", "b"]
    assert documents[1].position(("metadata", "name")) == Position("l.yaml", 6, 20)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("y", "y"),
        ("0644", 420),
        ("0o644", 420),
        ("0x1F", 31),
        ("1_000", 1000),
        ("08", 8),
        ("1.20", 1.2),
        ("1e3", 1000.0),
        ("12:30", "12:30"),
        ("2024-01-02", "2024-01-02"),
        ("1.2.3", "1.2.3"),
        ("-", None),
        ("~", None),
        ("", None),
        ("'123'", "123"),
        ("!!str 123", "123"),
        ("9" * 30, float("9" * 30)),
        ("9" * 5000, "9" * 5000),
        ("1e999", "1e999"),
    ],
)
def test_words_mean_what_the_reference_reads(written: str, value: object) -> None:
    if written == "-":
        written, value = "'-'", "-"
    [document] = read_documents(f"a: {written}", "w.yaml")
    assert document.data["a"] == value
    assert type(document.data["a"]) is type(value)


def test_keys_are_text() -> None:
    [document] = read_documents("on: 1\n5: 2\ny: 3", "w.yaml")
    assert document.data == {"on": 1, "5": 2, "y": 3}


def test_anchors_aliases_and_merges() -> None:
    text = "base: &base {image: a, env: &e [x]}\none: {<<: *base, image: b}\ntwo: {<<: [{z: 1}, *base], also: *e}"
    [document] = read_documents(text, "w.yaml")
    assert document.data["one"] == {"image": "b", "env": ["x"]}
    assert document.data["two"] == {"z": 1, "image": "a", "env": ["x"], "also": ["x"]}
    assert document.position(("one", "env", 0)) == Position("w.yaml", 1, 33)


def test_all_problems_of_form_are_said_at_once() -> None:
    with pytest.raises(InvalidDocument) as refused:
        read_documents("a: 1\nb: .inf\na: 2\nb: 3\n", "w.yaml")
    assert [(p.code, p.position.line) for p in refused.value.problems] == [
        ("not-a-number", 2),
        ("duplicate-key", 3),
        ("duplicate-key", 4),
    ]


def test_good_documents_before_a_broken_one_are_still_read() -> None:
    documents, problems = read(f"{WORKFLOW}---\na: [", "w.yaml")
    assert [d.name for d in documents] == ["first"]
    assert [p.code for p in problems] == ["syntax"]


def test_a_helm_template_is_recognised() -> None:
    _, [problem] = read("{{- if .Values.x }}\nkind: A\n{{- end }}\n", "w.yaml")
    assert "helm template" in problem.hint


def test_the_raw_word_is_found_again() -> None:
    [document] = read_documents("version: 1.20 # why\n", "w.yaml")
    assert document.raw(document.position(("version",))) == "1.20"
