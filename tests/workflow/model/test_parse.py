"""Documents into the model: what is accepted as it stands, and what is said about the rest."""

from __future__ import annotations

import pytest

from workflow.labels import SchedulerPolicy, Target
from workflow.model import (
    ParameterType,
    Parsed,
    Workflow,
    examine_documents,
    parse_document,
    parse_documents,
    parse_template,
    parse_workflow,
)
from workflow.problems import InvalidDocument, Position, Problem
from workflow.source import read_documents

HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata:\n  name: w\nspec:\n"


def workflow(spec: str) -> Workflow:
    [found] = parse_documents(HEAD + spec, "w.yaml").workflows
    return found


def refused(spec: str) -> list[Problem]:
    with pytest.raises(InvalidDocument) as raised:
        parse_documents(HEAD + spec, "w.yaml")
    return list(raised.value.problems)


FULL = """\
  use:
  - name: official/k6
    config: {version: "1", count: 2}
  config:
    count: {type: integer, default: 3, minimum: 1, sensitive: false}
    token: {sensitive: true}
  concurrency: {max: 5, group: heavy, cancelInProgress: true}
  execution:
    tags: {a: b}
    target:
      match: {environment: dev, team: [a, b]}
      not: {name: x}
      replicate: [name]
      schedulerPolicy: OnlyWhenMatches
  content:
    git: {uri: "https://example.com/r", revision: main, paths: [a], tokenFrom: {secretKeyRef: {name: s, key: k}}}
    files:
    - {path: /data/a, content: "{{ config.count }}", mode: 0755}
    tarball:
    - {url: "https://example.com/t.tgz", path: /data/t, mount: true}
  container:
    image: alpine:3
    env:
    - {name: A, value: b, global: true}
    resources: {requests: {cpu: 1, memory: 64Mi}, limits: {cpu: 500m}}
    securityContext: {runAsUser: "{{ config.count }}", runAsGroup: 5, seccompProfile: {type: RuntimeDefault}}
  pod:
    hostPID: true
    volumes: [{name: v, emptyDir: {}}]
    affinity: {nodeAffinity: {anything: [1]}}
  services:
    db:
      image: postgres
      count: 2
      logs: always
      readinessProbe: {tcpSocket: {port: 5432}, periodSeconds: 1}
      restartPolicy: Never
  setup:
  - name: prepare
    shell: make
  steps:
  - id: one
    name: First
    condition: always
    optional: true
    negative: true
    paused: true
    retry: {count: 3, until: "self.passed"}
    timeout: 1h30m
    delay: 1m5s
    run: {command: [a], args: [], env: [{name: X, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}
    artifacts: {paths: ["**/*.xml", "!x"], compress: {name: a.tgz}, workingDir: /data}
    steps:
    - shell: |
        echo
  - parallel:
      count: "config.count * 2"
      maxCount: 10
      matrix: {node: ["18", 20, true], browser: 'split("a,b")'}
      shards: {files: 'glob("**/*.js")'}
      failFast: true
      transfer: [{from: /data/repo, files: ["**/*"], to: /data/x}]
      fetch: [{from: /data/out}]
      container: {image: x}
      steps: [{shell: "echo {{ index }}"}]
  - execute:
      parallelism: 2
      async: true
      workflows:
      - {name: child, config: {a: 1}, target: {name: dev-runner}, tarball: {files: {from: /data}}}
      - {selector: {matchLabels: {a: b}}}
  after:
  - shell: done
  events:
  - cronjob: {cron: "*/5 * * * mon-fri", timezone: Europe/Berlin, config: {a: b}}
"""


def test_every_kind_of_field_is_read() -> None:
    spec = workflow(FULL).spec
    assert spec.use[0].config == {"version": "1", "count": 2}
    assert spec.config["count"].type is ParameterType.INTEGER
    assert spec.config["token"].sensitive
    assert spec.container is not None and spec.container.env[0].global_
    assert spec.container.security_context is not None and spec.container.security_context.run_as_group == 5
    assert spec.pod is not None and spec.pod.host_pid
    assert spec.services["db"].count == 2
    one, workers, children = spec.steps
    assert one.run is not None and one.run.args == () and one.run.shell is None
    assert one.steps[0].shell == "echo\n"
    assert workers.parallel is not None and workers.parallel.matrix["node"] == ["18", 20, True]
    assert children.execute is not None and children.execute.workflows[1].selector is not None
    assert spec.content is not None and spec.content.files[0].mode == 0o755


def test_targets_in_all_their_forms() -> None:
    spec = workflow(FULL).spec
    assert spec.execution is not None and spec.execution.target is not None
    assert spec.execution.target.to_target() == Target(
        {"environment": ("dev",), "team": ("a", "b")}, {"name": ("x",)}, ("name",), SchedulerPolicy.ONLY_WHEN_MATCHES
    )
    execute = spec.steps[2].execute
    assert execute is not None and execute.workflows[0].target is not None
    assert execute.workflows[0].target.to_target() == Target({"name": ("dev-runner",)})


def test_what_was_read_is_written_as_it_was() -> None:
    [document] = read_documents(HEAD + FULL, "w.yaml")
    assert parse_workflow(document).dump() == document.data


def test_a_node_knows_where_its_fields_stood() -> None:
    step = workflow("  steps:\n  - shell: a\n  - run:\n      image: b\n").spec.steps[1]
    assert step.run is not None
    assert step.run.where("image") == Position("w.yaml", 9, 14)
    assert step.run.where("image", key=True) == Position("w.yaml", 9, 7)
    assert step.run.where("working_dir") == step.run.where() == Position("w.yaml", 9, 7)


def test_where_it_stood_is_no_part_of_what_it_is() -> None:
    assert workflow("  steps:\n  - shell: a\n") == workflow("\n\n  steps: [{shell: a}]\n")


def test_a_key_without_a_value_counts_as_absent() -> None:
    bare = workflow("  setup:\n  steps:\n  - shell: a\n    optional:\n    run:\n")
    assert bare == workflow("  steps:\n  - shell: a\n")


WRONG = [
    ("  §stepz: []\n", "unknown-field", "unknown field 'stepz' in spec (did you mean 'steps'?)"),
    ("  steps:\n  - §image: x\n", "unknown-field", "did you mean run.image?"),
    ("  steps:\n  - shell: §1.20\n", "wrong-type", 'must be text, not the number 1.2 (put it in quotes: "1.20")'),
    ("  steps:\n  - shell: §yes\n", "wrong-type", 'not true (put it in quotes: "yes")'),
    ("  steps:\n  - optional: §'true'\n", "wrong-type", "true or false without quotes"),
    ("  steps:\n    §shell: a\n", "wrong-type", "steps must be a list, not a mapping"),
    ("  steps:\n  - run: §[a]\n", "wrong-type", "run must be a mapping, not a list"),
    ("  steps: [§a]\n", "wrong-type", "item 1 of steps must be a mapping, not the text 'a'"),
    ("  steps: [{retry: §{until: x}}]\n", "missing-field", "count is missing"),
    ("  steps: [{retry: {count: §0}}]\n", "bad-value", "must be at least 1"),
    ("  steps: [{id: §A-b}]\n", "bad-value", "does not match"),
    ("  steps: [{parallel: {count: §[1]}}]\n", "wrong-type", "count must be a whole number or text, not a list"),
    ("  steps: [{parallel: {parallelism: §'{{ x }}'}}]\n", "wrong-type", "no template is possible here"),
    ("  config: {a: {type: §float}}\n", "bad-value", "must be 'string', 'integer', 'number' or 'boolean'"),
    ("  steps: [{run: {shell: a, command: §[b]}}]\n", "shell-and-command", "exclude each other"),
    ("  steps: [{timeout: §5}]\n", "wrong-type", "must be text"),
    ("  steps: [{timeout: §5 minutes}]\n", "bad-value", "is not a duration like 30s, 5m or 1h30m"),
    ("  steps: [{delay: §5m1h}]\n", "bad-value", "largest unit first"),
    ("  steps: [{id: a, shell: b}, {id: §a}]\n", "duplicate-id", "used twice"),
    ("  container: {resources: {limits: {cpu: §1X}}}\n", "bad-value", "is not a quantity"),
    ("  container: {env: [§{value: a}]}\n", "missing-field", "name is missing"),
    ("  container: {env: [{name: a, value: b, valueFrom: §{}}]}\n", "two-sources", "exclude each other"),
    ("  events: [{cronjob: {cron: §'61 * * * *'}}]\n", "bad-value", "is not a minute (0-59)"),
    ("  events: [{cronjob: {cron: §'* * * *'}}]\n", "bad-value", "needs 5 fields"),
    ("  steps: [{execute: {workflows: [§{}]}}]\n", "missing-field", "name or selector"),
    ("  execution: {target: {match: {a: §[]}}}\n", "bad-value", "is empty"),
    ("  content: {git: {uri: a, verbosity: §loud}}\n", "bad-value", "quiet, normal or verbose"),
]


@pytest.mark.parametrize(("marked", "code", "words"), WRONG)
def test_what_is_wrong_is_said_with_its_place(marked: str, code: str, words: str) -> None:
    before = (HEAD + marked).split("§")[0]
    place = Position("w.yaml", before.count("\n") + 1, len(before) - before.rfind("\n"))
    found = [p for p in refused(marked.replace("§", "")) if p.code == code]
    assert [p.position for p in found] == [place]
    assert words in str(found[0])


def test_all_problems_of_all_documents_at_once() -> None:
    text = HEAD + "  steps:\n  - shel: a\n  - timeout: 1\n---\n" + HEAD.replace("TestWorkflow", "TestWorkflw")
    parsed = examine_documents(text, "w.yaml")
    assert [(p.code, p.position.line) for p in parsed.problems] == [
        ("unknown-field", 7),
        ("wrong-type", 8),
        ("wrong-kind", 11),
    ]


def test_right_documents_beside_wrong_ones_are_kept() -> None:
    parsed = examine_documents(HEAD + "  steps: []\n---\n" + HEAD.replace("name: w", "name: v") + "  x: 1\n", "w.yaml")
    assert [w.name for w in parsed.workflows] == ["w"]
    assert len(parsed.problems) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: TestWorkflow\nmetadata: {name: a}\nspec: {}", "apiVersion is missing"),
        ("apiVersion: v1\nkind: TestWorkflow\nmetadata: {name: a}\nspec: {}", "must be testworkflows.testkube.io/v1"),
        ("apiVersion: testworkflows.testkube.io/v1\nmetadata: {name: a}", "kind is missing"),
        (HEAD.replace("name: w", "labels: {}"), "metadata.name is missing"),
        (HEAD.replace("name: w", "name: Wrong_Name"), "is not a name"),
        (HEAD.replace("spec:", "description: x"), "spec is missing"),
        (f"{HEAD} {{}}\n---\n{HEAD} {{}}", "is defined twice (first in line 4)"),
        ("[]", "must be a mapping"),
    ],
)
def test_headers(text: str, words: str) -> None:
    assert words in " ".join(str(p) for p in examine_documents(text, "w.yaml").problems)


def test_templates_use_no_templates() -> None:
    head = HEAD.replace("TestWorkflow\n", "TestWorkflowTemplate\n")
    text = head + "  use: [{name: a}]\n  steps: [{template: {name: b}}]\n"
    problems = examine_documents(text, "t.yaml").problems
    assert [(p.code, p.position.line) for p in problems] == [("template-in-template", 6), ("template-in-template", 7)]


def test_an_execution_request() -> None:
    text = (
        "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflowExecution\nmetadata: {name: e}\nspec:\n"
        "  testWorkflow: {name: w}\n  executionRequest: {config: {a: 1}, tags: {x: y}, target: {name: dev}}\n"
    )
    [execution] = parse_documents(text, "e.yaml").executions
    assert execution.spec.test_workflow.name == "w"
    assert execution.spec.execution_request is not None and execution.spec.execution_request.config == {"a": 1}


def test_what_a_cluster_adds_is_read() -> None:
    text = HEAD.replace(
        "  name: w", "  name: w\n  uid: x\n  creationTimestamp: null\n  generation: 4\n  managedFields: [{a: b}]"
    )
    assert parse_documents(text + "  steps: []\nstatus: {health: {passRate: 0.5}}\n", "w.yaml").problems == ()


def test_one_document_of_a_wanted_kind() -> None:
    [document] = read_documents(HEAD + "  steps: []\n", "w.yaml")
    assert isinstance(parse_document(document), Workflow)
    with pytest.raises(InvalidDocument, match="must be TestWorkflowTemplate, not TestWorkflow"):
        parse_template(document)


def test_a_block_given_twice_counts_the_second_time_and_is_warned_of() -> None:
    parsed = parse_documents(HEAD + "  container: {image: a}\n  container: {image: b}\n", "w.yaml")
    assert isinstance(parsed, Parsed)
    assert parsed.workflows[0].spec.container is not None and parsed.workflows[0].spec.container.image == "b"
    assert [p.code for p in parsed.problems] == ["duplicate-key"]
