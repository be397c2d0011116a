"""Warnings: what runs and is probably not meant."""

from __future__ import annotations

import pytest

from workflow.labels import Labels
from workflow.lint import lint
from workflow.model import Workflow, parse_documents
from workflow.problems import Position, Severity

HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata:\n  name: w\nspec:\n"
AGENTS: dict[str, Labels] = {"dev-runner": {"name": "dev-runner", "environment": "dev"}}


def workflow(spec: str) -> Workflow:
    [found] = parse_documents(HEAD + spec, "w.yaml").workflows
    return found


@pytest.mark.parametrize(
    ("marked", "code", "words"),
    [
        ("  after:\n  - §shell: tidy\n", "after-without-condition", "add `condition: always`"),
        ("  steps: [{parallel: {after: [§{shell: tidy}]}}]\n", "after-without-condition", "does not run"),
        ("  steps: [{shell: a, condition: a §|| b && c}]\n", "precedence", ""),
        ("  steps: [{shell: 'echo {{ a §|| b && c }}'}]\n", "precedence", ""),
        ("  steps: [{parallel: {count: 2, logs: '§-1 + 2'}}]\n", "precedence", ""),
        ("  steps: [{artifacts: {paths: §[]}}]\n", "empty-artifacts", "nothing will be stored"),
        ("  steps: [{artifacts: {paths: §['!a']}}]\n", "empty-artifacts", "nothing will be stored"),
        ("  steps: [{artifacts: {paths: [a, §b/]}}]\n", "empty-glob", "only files are stored"),
        ("  steps: [{artifacts: {paths: [§'[a']}}]\n", "empty-glob", "not closed"),
        ("  steps: [{artifacts: {paths: [§/etc/*]}}]\n", "empty-glob", "/etc is in no volume"),
        ("  steps: [{artifacts: {workingDir: /opt, paths: [§x]}}]\n", "empty-glob", "/opt is in no volume"),
        (
            "  container: {workingDir: /opt}\n  steps: [{artifacts: {paths: [§x]}}]\n",
            "empty-glob",
            "/opt is in no volume",
        ),
        ("  steps: [{workingDir: /opt, steps: [{artifacts: {paths: [§x]}}]}]\n", "empty-glob", "/opt is in no"),
        ("  container: {workingDir: /opt}\n  steps: [{parallel: {artifacts: {paths: [§x]}}}]\n", "empty-glob", "/opt"),
        ("  steps: [{artifacts: {paths: [§a/*, '!a/*']}}]\n", "empty-glob", "left out by '!a/*'"),
        ("  steps: [{artifacts: {paths: [§a/*, '!**']}}]\n", "empty-glob", "left out by '!**'"),
        ("  container: {image: §'node 20'}\n", "bad-image", "no name of an image"),
        ("  container: {image: §'Node:20'}\n", "bad-image", "no name of an image"),
        ("  container: {image: §'node:{{ env.N }}'}\n", "bad-image", "env is known only while steps run"),
        ("  services: {db: {image: §'x:{{ file(\"v\") }}'}}\n", "bad-image", "file is known only while steps run"),
        ("  config: {a: {format: §rfc1234}}\n", "unknown-format", "not checked"),
        ("  steps: [{execute: {tests: §[{name: a}]}}]\n", "legacy-tests", "use `workflows`"),
        ("  steps: [{retry: §{count: 2}, steps: [{shell: a}]}]\n", "retry-without-operation", "has none"),
    ],
)
def test_what_is_warned_of(marked: str, code: str, words: str) -> None:
    before = (HEAD + marked).split("§")[0]
    [warning] = lint(workflow(marked.replace("§", "")))
    assert warning.code == code and warning.severity is Severity.WARNING
    assert words in str(warning)
    if code != "precedence":
        assert warning.position == Position("w.yaml", before.count("\n") + 1, len(before) - before.rfind("\n"))
    else:
        assert warning.position.line == before.count("\n") + 1 and warning.position.column > 20


@pytest.mark.parametrize(
    "spec",
    [
        "  after: [{shell: tidy, condition: always}]\n",
        "  steps: [{shell: a, condition: a && (b || c)}]\n",
        "  steps: [{artifacts: {paths: ['**/*', '!x', '/data/x/*', '/**/*.xml', '{{ env.X }}/']}}]\n",
        "  container: {volumeMounts: [{name: v, mountPath: /out}]}\n  steps: [{artifacts: {paths: [/out/a]}}]\n",
        "  steps: [{retry: {count: 2}, shell: a}]\n",
        "  container: {image: x}\n  execution: {target: {name: nobody}}\n",
        "  container: {image: 'ghcr.io:443/a/b_c/d-e.f:v1.2-x@sha256:" + "a" * 64 + "'}\n",
        "  container: {image: 'node:{{ config.n }}-{{ matrix.m }}'}\n",
        "  container: {workingDir: /opt}\n  steps: [{artifacts: {workingDir: /data, paths: [x, '/data/**', '!y']}}]\n",
        "  container: {workingDir: '{{ config.d }}'}\n  steps: [{artifacts: {paths: [x]}}]\n",
    ],
)
def test_what_is_fine_is_left_alone(spec: str) -> None:
    assert lint(workflow(spec)) == ()


def test_images_where_they_cannot_be_honoured() -> None:
    found = lint(workflow("  container:\n    image: node:20\n  steps: [{run: {image: k6}}]\n"), honours_images=False)
    assert [(p.code, p.position.line, p.position.column) for p in found] == [
        ("image-ignored", 7, 12),
        ("image-ignored", 8, 25),
    ]


def test_the_path_begins_at_the_document() -> None:
    [found] = lint(workflow("  steps: [{shell: a}, {parallel: {steps: [{artifacts: {paths: [a, b/]}}]}}]\n"))
    assert found.path == ("spec", "steps", 1, "parallel", "steps", 0, "artifacts", "paths", 1)


def test_targets_that_no_agent_matches() -> None:
    spec = (
        "  execution: {target: {match: {environment: [staging]}}}\n"
        "  steps: [{execute: {workflows: [{name: a, target: {name: dev-runner}}, {name: b, target: {name: x}}]}}]\n"
        "  events: [{cronjob: {cron: '@daily', target: {name: y}}}]\n"
    )
    first, second, third = lint(workflow(spec), agents=AGENTS)
    assert first.message == (
        "waits for environment=staging: 0 of 1 agent matches; nearest: dev-runner has environment=dev"
    )
    assert "waits for name=x" in second.message and second.position.line == 7
    assert "waits for name=y" in third.message and third.position.line == 8
