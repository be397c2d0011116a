"""Templates and parameters applied: what the resolved workflow says, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from workflow.model import Workflow, WorkflowTemplate, parse_documents
from workflow.problems import InvalidDocument, Problem
from workflow.resolve import Value, dump, resolve, resolve_with_secrets

HEAD = (
    "apiVersion: testworkflows.testkube.io/v1\nkind: {kind}\n"
    "metadata: {{name: {name}, labels: {{a.b: c}}}}\n\n\nspec:\n"
)


def workflow(spec: str) -> Workflow:
    [found] = parse_documents(HEAD.format(kind="TestWorkflow", name="w") + spec, "w.yaml").workflows
    return found


def template(name: str, spec: str) -> WorkflowTemplate:
    text = HEAD.format(kind="TestWorkflowTemplate", name=name) + spec
    [found] = parse_documents(text, f"{name}.yaml").templates
    return found


def resolved(
    spec: str, *templates: WorkflowTemplate, config: dict[str, Value] | None = None, **known: Any
) -> dict[str, Any]:
    found = resolve(workflow(spec), {t.name: t for t in templates}, config or {}, execution=known)
    plain: dict[str, Any] = dump(found)["spec"]
    return plain


def refused(spec: str, *templates: WorkflowTemplate, config: dict[str, Value] | None = None) -> list[Problem]:
    with pytest.raises(InvalidDocument) as raised:
        resolved(spec, *templates, config=config)
    return list(raised.value.problems)


def places(problems: list[Problem]) -> list[tuple[str, str, int]]:
    return [(p.code, p.position.file, p.position.line) for p in problems]


# --- parameters ----------------------------------------------------------------------------------------------------


def test_parameters_are_filled_in_everywhere_and_the_rest_stays() -> None:
    spec = resolved(
        """
  config: {n: {type: integer, default: 2}, list: {default: "a,b"}, tag: {}}
  container: {image: "x:{{ config.tag }}", env: [{name: "A_{{ config.n }}", value: "{{ config.n + 1 }}"}]}
  pod: {volumes: [{name: v, hostPath: {path: "/{{ config.tag }}"}}], labels: {"{{ config.tag }}": "{{ config.n }}"}}
  services: {"db-{{ config.n }}": {count: config.n, logs: "config.n > 1"}}
  steps:
  - condition: config.n == 2 && env.CI
    run: {args: ["{{ split(config.list) }}", "{{ config.n }}", "{{ env.X }}"]}
    shell: echo {{ config.n }} {{ env.HOME }} ${HOME} {{ index }}
    parallel: {count: "config.n * 2", maxCount: env.N, matrix: {k: "split(config.list)", l: ["{{ config.n }}", 1]}}
""",
        config={"tag": "v1"},
    )
    assert spec["container"] == {"image": "x:v1", "env": [{"name": "A_2", "value": "3"}]}
    assert spec["pod"] == {"volumes": [{"name": "v", "hostPath": {"path": "/v1"}}], "labels": {"v1": "2"}}
    assert spec["services"] == {"db-2": {"count": 2, "logs": "true"}}
    [step] = spec["steps"]
    assert step["condition"] == "env.CI"
    assert step["run"]["args"] == ["a", "b", "2", "{{ env.X }}"]
    assert step["shell"] == "echo 2 {{env.HOME}} ${HOME} {{index}}"
    assert step["parallel"] == {"count": 4, "maxCount": "env.N", "matrix": {"k": ["a", "b"], "l": ["2", 1]}}
    assert "config" not in spec


def test_values_are_never_read_as_expressions() -> None:
    spec = resolved(
        "  config: {a: {}}\n  steps: [{shell: 'echo {{ config.a }} {{ env.B }}'}, {shell: 'echo {{ config.a }}'}]\n",
        config={"a": '{{ secret("x","y") }}'},
    )
    assert spec["steps"][0]["shell"] == 'echo {{"{{"}} secret("x","y") }} {{env.B}}'
    assert spec["steps"][1]["shell"] == 'echo {{"{{"}} secret("x","y") }}'


def test_resolving_twice_changes_nothing() -> None:
    text = "  config: {a: {default: '{{ 1 }} {{ env.X }}'}}\n  steps: [{shell: '{{ config.a }}{ {{ index }}'}]\n"
    once = resolve(workflow(text), {}, {})
    assert resolve(once, {}, {}) == once


def test_what_needs_no_parameter_is_left_as_it_was_written() -> None:
    text = "  steps:\n  - {shell: 'echo {{ env.X }} ${Y} {z', condition: 'always  &&  env.X', timeout: 5m}\n"
    assert resolved(text)["steps"] == dump(workflow(text))["spec"]["steps"]


def test_defaults_may_ask_for_other_parameters_in_any_order() -> None:
    spec = resolved(
        "  config: {url: {default: 'http://{{ config.host }}/'}, host: {default: '{{ config.env }}.test'}, env: {}}\n"
        "  steps: [{shell: 'curl {{ config.url }}'}]\n",
        config={"env": "dev"},
    )
    assert spec["steps"][0]["shell"] == "curl http://dev.test/"


def test_a_default_that_is_known_only_later_stands_in() -> None:
    spec = resolved("  config: {h: {default: '{{ env.HOST }}:80'}}\n  steps: [{shell: 'curl {{ config.h }}/x'}]\n")
    assert spec["steps"][0]["shell"] == "curl {{env.HOST}}:80/x"


def test_the_facts_of_the_execution_and_of_the_workflow_itself() -> None:
    spec = resolved(
        "  steps: [{shell: '{{ execution.id }} {{ workflow.name }} {{ labels.a_b }} {{ execution.name }}'}]\n",
        execution={"id": "e1", "name": "w-1"},
    )
    assert spec["steps"][0]["shell"] == "e1 w c w-1"


def test_a_parallel_may_have_parameters_of_its_own() -> None:
    spec = resolved(
        "  config: {a: {default: x}, b: {default: y}}\n"
        "  steps: [{parallel: {config: {a: {default: 'z{{ config.b }}'}}, shell: '{{ config.a }}{{ config.b }}'}}]\n"
    )
    assert spec["steps"][0]["parallel"] == {"shell": "zyy"}


def test_sensitive_values_are_referred_to_and_never_written() -> None:
    use = template("t", "  config: {token: {sensitive: true}}\n  steps: [{shell: 'login {{ config.token }}'}]\n")
    found = resolve_with_secrets(
        workflow(
            "  config: {token: {sensitive: true}, pin: {type: integer, sensitive: true, default: 7}}\n"
            "  use: [{name: t, config: {token: '{{ config.token }}'}}, {name: t, config: {token: other}}]\n"
            "  steps: [{shell: 'a {{ config.token }} {{ config.pin + 1 }}'}]\n"
        ),
        {"t": use},
        {"token": "hunter2"},
    )
    text = str(dump(found.workflow))
    assert "hunter2" not in text and found.secrets == {"token": "hunter2", "pin": "7", "token.2": "other"}
    shells = [step.shell for step in found.workflow.spec.steps]
    assert shells == [
        'login {{secret("muster.dev/config","token")}}',
        'login {{secret("muster.dev/config","token.2")}}',
        'a {{secret("muster.dev/config","token")}} {{int(secret("muster.dev/config","pin"))+1}}',
    ]


@pytest.mark.parametrize(
    ("spec", "config", "code", "words"),
    [
        ("  config: {a: {}}\n  steps: [{shell: '{{ config.a }}'}]\n", {}, "missing-parameter", "needs the parameter"),
        ("  config: {a: {}}\n", {}, "missing-parameter", "needs the parameter 'a'"),
        ("  config: {able: {default: x}}\n", {"abel": 1}, "unknown-parameter", "did you mean 'able'?"),
        ("  config: {a: {type: integer}}\n", {"a": "x"}, "bad-parameter", "must be an integer"),
        ("  config: {a: {type: integer, default: 0, minimum: 1}}\n", {}, "bad-parameter", "must be at least 1"),
        ("  steps: [{shell: '{{ config.a }}'}]\n", {}, "unknown-parameter", "config.a is not defined"),
        ("  steps: [{condition: config.a}]\n", {}, "unknown-parameter", "config.a is not defined"),
        ("  config: {a: {default: '{{config.b}}'}, b: {default: '{{config.a}}'}}\n", {}, "endless-default", "other"),
        ("  config: {a: {default: x}}\n  steps: [{shell: '{{ int(config.a) }}'}]\n", {}, "bad-expression", ""),
    ],
)
def test_wrong_parameters_are_refused(spec: str, config: dict[str, Value], code: str, words: str) -> None:
    problems = refused(spec, config=config)
    assert {p.code for p in problems} == {code}
    assert words in str(problems[0])


def test_values_are_checked_once_they_are_known() -> None:
    spec = (
        "  config: {t: {default: soon}, q: {default: 1X}}\n"
        "  container: {resources: {limits: {cpu: '{{ config.q }}'}}}\n"
        "  steps:\n  - timeout: '{{ config.t }}'\n    shell: a\n"
    )
    problems = refused(spec)
    assert [(p.code, p.position.line) for p in problems] == [("bad-value", 8), ("bad-value", 10)]


def test_an_optional_parameter_may_be_missing_where_the_text_can_do_without() -> None:
    spec = resolved("  config: {a: {}}\n  steps: [{shell: 'x {{ any(config.a, 5) }}'}]\n")
    assert spec["steps"][0]["shell"] == "x 5"


# --- templates -----------------------------------------------------------------------------------------------------

BASE = template(
    "base--one",
    """
  config: {image: {default: alpine}, message: {default: hello}}
  container: {image: "{{ config.image }}", command: [sh], env: [{name: A, value: base}, {name: B, value: base}]}
  content: {git: {uri: g, revision: main}, files: [{path: /f, content: base}]}
  pod: {labels: {x: base, y: base}, tolerations: [{key: base}]}
  execution: {tags: {t: base}, target: {match: {environment: [dev]}}}
  timeouts: {queue: 5m}
  services: {db: {image: base}}
  setup: [{shell: setup base}]
  steps: [{shell: "echo {{ config.message }}"}]
  after: [{shell: after base}]
""",
)
SECOND = template(
    "second",
    "  container: {env: [{name: C, value: second}]}\n  setup: [{shell: setup second}]\n"
    "  steps: [{shell: steps second}]\n  after: [{shell: after second}]\n",
)


def shells(steps: list[dict[str, Any]]) -> list[Any]:
    return [step.get("shell", step) for step in steps]


def test_templates_are_laid_under_the_workflow() -> None:
    spec = resolved(
        """
  use: [{name: base/one, config: {message: hi}}, {name: second}]
  container: {env: [{name: B, value: own}]}
  content: {git: {revision: own, uri: g2}, files: [{path: /f, content: own}, {path: /g}]}
  pod: {labels: {x: own}, tolerations: [{key: own}]}
  setup: [{shell: setup own}]
  steps: [{shell: steps own}]
  after: [{shell: after own}]
""",
        BASE,
        SECOND,
    )
    assert spec["container"]["image"] == "alpine" and spec["container"]["command"] == ["sh"]
    env = {e["name"]: e["value"] for e in spec["container"]["env"]}
    assert env == {"A": "base", "B": "own", "C": "second"}
    assert spec["content"]["git"] == {"uri": "g2", "revision": "own"}
    assert spec["content"]["files"] == [{"path": "/f", "content": "own"}, {"path": "/g"}]
    assert spec["pod"] == {"labels": {"x": "own", "y": "base"}, "tolerations": [{"key": "base"}, {"key": "own"}]}
    assert spec["execution"] == {"tags": {"t": "base"}, "target": {"match": {"environment": ["dev"]}}}
    assert spec["timeouts"] == {"queue": "5m"}
    assert spec["services"] == {"db": {"image": "base"}}
    assert shells(spec["setup"]) == ["setup base", "setup second", "setup own"]
    assert shells(spec["steps"]) == ["echo hi", "steps second", "steps own"]
    assert shells(spec["after"]) == ["after own", "after second", "after base"]
    assert "use" not in spec


def test_the_workflows_target_is_taken_whole() -> None:
    spec = resolved("  use: [{name: base--one}]\n  execution: {target: {name: prod}}\n", BASE)
    assert spec["execution"] == {"tags": {"t": "base"}, "target": {"name": "prod"}}


def test_an_image_resets_the_command_that_came_with_another() -> None:
    spec = resolved("  use: [{name: base--one}]\n  container: {image: own}\n", BASE)
    assert spec["container"]["image"] == "own" and "command" not in spec["container"]


def test_use_in_a_step_merges_into_the_step() -> None:
    text = "  steps: [{name: s, use: [{name: base--one}], shell: own, steps: [{shell: inner}]}]\n"
    [step] = resolved(text, BASE)["steps"]
    assert step["name"] == "s" and step["shell"] == "own"
    assert step["container"]["image"] == "alpine"
    assert shells(step["setup"]) == ["setup base"]
    assert shells(step["steps"]) == ["echo hello", "inner", "after base"]
    assert "pod" not in step and "use" not in step


def test_template_in_a_step_is_a_step_of_its_own() -> None:
    [step] = resolved("  steps: [{name: s, template: {name: base--one}, steps: [{shell: inner}]}]\n", BASE)["steps"]
    isolated, inner = step["steps"]
    assert isolated["container"]["image"] == "alpine"
    assert shells(isolated["setup"]) == ["setup base"] and shells(isolated["steps"]) == ["echo hello", "after base"]
    assert inner == {"shell": "inner"} and "container" not in step


def test_a_template_that_brings_only_steps_is_flattened() -> None:
    bare = template("bare", "  setup: [{shell: a}]\n  steps: [{shell: b}]\n")
    [step] = resolved("  steps: [{name: s, template: {name: bare}}]\n", bare)["steps"]
    assert step == {"name": "s", "steps": [{"shell": "a"}, {"shell": "b"}]}


def test_templates_in_parallel_and_in_services() -> None:
    spec = resolved(
        "  services: {web: {use: [{name: base--one}], count: 2, env: [{name: A, value: own}]}}\n"
        "  steps: [{parallel: {count: 2, use: [{name: base--one}], shell: own}}]\n",
        BASE,
    )
    web = spec["services"]["web"]
    assert web["image"] == "alpine" and web["count"] == 2
    assert {e["name"]: e["value"] for e in web["env"]} == {"A": "own", "B": "base"}
    assert web["content"]["git"]["uri"] == "g"
    workers = spec["steps"][0]["parallel"]
    assert shells(workers["steps"]) == ["echo hello"] and workers["shell"] == "own"
    assert workers["pod"]["labels"] == {"x": "base", "y": "base"}


def test_one_source_of_a_credential_replaces_the_other() -> None:
    by_name = "usernameFrom: {secretKeyRef: {name: s, key: u}}"
    base = template("git", f"  content: {{git: {{uri: g, token: '{{{{ env.T }}}}', {by_name}}}}}\n")
    own = "  use: [{name: git}]\n  content: {git: {tokenFrom: {secretKeyRef: {name: s, key: k}}, username: me}}\n"
    git = resolved(own, base)["content"]["git"]
    assert git == {"uri": "g", "username": "me", "tokenFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


def test_a_clone_needs_an_address_from_somewhere() -> None:
    assert [p.code for p in refused("  content: {git: {revision: main}}\n")] == ["missing-field"]


def test_a_services_own_shell_replaces_the_command_of_its_template() -> None:
    spec = resolved("  services: {web: {use: [{name: base--one}], shell: serve}}\n", BASE)
    assert spec["services"]["web"]["shell"] == "serve" and "command" not in spec["services"]["web"]


def test_parameters_pass_through_to_templates() -> None:
    typed = template(
        "typed",
        "  config: {n: {type: integer}, s: {type: string}}\n"
        "  steps: [{shell: '{{ config.n + 1 }} {{ config.s }} {{ map(list(1,2), \"config.n + _.value\") }}'}]\n",
    )
    spec = resolved(
        "  config: {count: {type: integer, default: 4}}\n"
        "  steps:\n"
        "  - template: {name: typed, config: {n: '{{ config.count }}', s: 'a{{ config.count }}'}}\n"
        "  - parallel:\n"
        "      template: {name: typed, config: {n: '{{ index }}', s: 'i{{ index }}-{{ count }}'}}\n",
        typed,
    )
    assert spec["steps"][0]["steps"][0]["shell"] == "5 a4 5,6"
    late = spec["steps"][1]["parallel"]["steps"][0]["shell"]
    assert late == "{{int(index)+1}} i{{index}}-{{count}} {{list(int(index)+1,int(index)+2)}}"


def test_what_is_wrong_with_a_template_is_said_where_it_is_used() -> None:
    strict = template("strict", "  config: {a: {type: integer, maximum: 3, description: how many}}\n  steps: []\n")
    problems = refused(
        "  steps:\n"
        "  - template: {name: strict, config: {a: 9}}\n"
        "  - template: {name: strict}\n"
        "  - template: {name: strict, config: {a: 1, b: 2}}\n"
        "  - use: [{name: strickt}]\n",
        strict,
    )
    assert places(problems) == [
        ("bad-parameter", "w.yaml", 8),
        ("missing-parameter", "w.yaml", 9),
        ("unknown-parameter", "w.yaml", 10),
        ("unknown-template", "w.yaml", 11),
    ]
    assert "how many" in str(problems[1]) and "did you mean 'strict'?" in str(problems[3])


def test_what_is_wrong_inside_a_template_is_said_there() -> None:
    text = "  config: {a: {default: x}}\n  steps:\n  - shell: a {{ config.a - 1 }}\n  - shell: '{{ config.z }}'\n"
    broken = template("broken", text)
    problems = refused("  use: [{name: broken}]\n", broken)
    assert places(problems) == [("bad-expression", "broken.yaml", 9), ("unknown-parameter", "broken.yaml", 10)]


def test_nodes_of_a_merged_part_know_where_each_field_stood() -> None:
    found = resolve(workflow("  use: [{name: base--one}]\n  container:\n    workingDir: /w\n"), {"base--one": BASE}, {})
    assert found.spec.container is not None
    assert str(found.spec.container.where("working_dir")) == "w.yaml:9:17"
    assert str(found.spec.container.where("image")) == "base--one.yaml:9:22"
    assert found.spec.steps[0].where("shell").file == "base--one.yaml"
    assert found.spec.services["db"].where("image").file == "base--one.yaml"


def test_templates_do_not_grow_without_bound() -> None:
    many = "  steps:\n" + "  - {use: [{name: t}]}\n" * 1_001
    problems = refused(many, template("t", "  steps: [{shell: a}]\n"))
    assert [p.code for p in problems] == ["too-many-templates"]
