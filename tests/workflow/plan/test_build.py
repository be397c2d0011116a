"""From resolved workflows to plans."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import Any

import pytest

from workflow.identifiers import SECOND
from workflow.labels import Target
from workflow.model import Workflow, parse_documents
from workflow.plan.bind import bind
from workflow.plan.build import build
from workflow.plan.encode import describe, from_bytes, to_bytes
from workflow.plan.nodes import (
    Clone,
    Concurrency,
    Container,
    Delay,
    EnvVar,
    Execute,
    FetchTarball,
    File,
    GitAuth,
    Group,
    OfferFiles,
    Parallel,
    Plan,
    Retry,
    Run,
    SaveArtifacts,
    Spread,
    StartServices,
    Step,
    StopServices,
    Transfer,
    WriteFiles,
    walk,
)
from workflow.problems import InvalidDocument
from workflow.resolve import resolve

CI = EnvVar("CI", "1")


def workflow(spec: str, metadata: str = "") -> Workflow:
    text = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata:\n  name: tried\n"
    text += indent(dedent(metadata), "  ") + "\nspec:\n" + indent(dedent(spec), "  ")
    (found,) = parse_documents(text, "tried.yaml").workflows
    return resolve(found, {}, {})


def planned(spec: str, metadata: str = "", **facts: Any) -> Plan:
    made = build(workflow(spec, metadata), facts=facts)
    assert from_bytes(to_bytes(made)) == made
    return made


def outline(plan: Plan) -> list[str]:
    """Every step as ``depth kind condition``, hidden ones in brackets."""
    found = []
    for line in describe(plan):
        text = f"{line.ref} {line.kind} {line.condition}"
        found.append(f"({text})" if line.hidden else text)
    return found


def body(plan: Plan, ref: str) -> Any:
    return next(step.body for step in walk(plan.steps) if step.ref == ref)


def step(plan: Plan, ref: str) -> Step:
    return next(step for step in walk(plan.steps) if step.ref == ref)


# --- the order ---------------------------------------------------------------------------------------------------


def test_everything_in_its_order() -> None:
    made = planned(
        """
        steps:
        - name: All
          delay: 5s
          content:
            git: {uri: file:///repo}
            files: [{path: /a, content: text}]
            tarball: [{url: "http://x/y.tgz", path: /data/t}]
          services: {db: {image: postgres}}
          setup: [{shell: setup}]
          run: {command: [run]}
          shell: shell
          execute: {workflows: [{name: other}]}
          parallel: {count: 2, shell: worker}
          steps: [{shell: nested}]
          artifacts: {paths: ["*"]}
        """
    )
    assert outline(made) == [
        "1 group passed",
        "(1.1 delay passed)",
        "(1.2 files passed)",
        "(1.3 clone passed)",
        "(1.4 tarball passed)",
        "(1.5 services passed)",
        "1.6 run passed",
        "(1.7 run passed)",
        "(1.8 run passed)",
        "(1.9 execute passed)",
        "(1.10 parallel passed)",
        "1.11 run passed",
        "(1.12 stop services always)",
        "(1.13 artifacts always)",
    ]
    assert body(made, "1.12") == StopServices(step(made, "1.5").ref)


def test_the_root_is_one_sequence() -> None:
    made = planned(
        """
        content: {git: {uri: file:///repo}}
        services: {db: {image: postgres}}
        setup: [{shell: a}]
        steps: [{shell: b}]
        after: [{shell: c}, {shell: d, condition: always}]
        """
    )
    assert outline(made) == [
        "(1 clone passed)",
        "(2 services passed)",
        "3 run passed",
        "4 run passed",
        "5 run passed",
        "6 run always",
        "(7 stop services always)",
    ]


def test_a_step_of_one_operation_stays_one_step() -> None:
    made = planned(
        """
        steps:
        - {name: Wait, delay: 1m30s}
        - name: Do it
          condition: always
          negative: true
          optional: true
          timeout: 2m
          retry: {count: 3, until: self.passed}
          shell: do it
        """
    )
    assert made.steps[0].body == Delay(90 * SECOND)
    assert made.steps[1] == Step(
        step(made, "2").ref,
        Run(Container(env=(CI,)), "do it"),
        "do_it",
        "Do it",
        "always",
        True,
        True,
        False,
        Retry(3, "self.passed"),
        120 * SECOND,
        "/data/.steps/do_it",
    )


def test_controls_of_a_group() -> None:
    made = planned(
        """
        steps:
        - name: Both
          condition: always
          retry: {count: 2}
          timeout: 1s
          negative: true
          paused: true
          delay: 1s
          content: {git: {uri: file:///r}, files: [{path: /a, content: x}]}
          shell: x
          artifacts: {paths: [a]}
        """
    )
    group = made.steps[0]
    assert (group.retry, group.timeout, group.negative, group.paused) == (None, SECOND, True, True)
    assert outline(made)[1:] == [
        "(1.1 delay always)",
        "(1.2 files always)",
        "(1.3 clone always)",
        "(1.4 run always)",
        "(1.5 artifacts always)",
    ]
    assert isinstance(group.body, Group)
    assert [each.retry for each in group.body.steps] == [None, None, *[Retry(2, "self.passed")] * 3]
    assert {(each.id, each.results_dir, each.negative, each.paused) for each in group.body.steps} == {
        ("", "/data/.steps/both", False, False)
    }


def test_nothing_to_do() -> None:
    made = planned("steps: [{name: Nothing}, {name: Wait, paused: true}]")
    assert made.steps[0].body == Group(())
    assert (made.steps[1].body, made.steps[1].paused) == (Delay(0), True)


def test_a_step_that_never_runs_is_kept() -> None:
    made = planned("steps: [{name: Unused, condition: never, shell: x}]")
    assert outline(made) == ["1 run never"]


# --- ids ---------------------------------------------------------------------------------------------------------


def test_ids_come_from_names_and_are_unique() -> None:
    made = planned(
        """
        steps:
        - {name: Run tests!, shell: a}
        - name: Run Tests
          steps: [{name: run tests, shell: b}, {id: run_tests_1, shell: c}]
        - {shell: d}
        - parallel: {steps: [{name: Run tests, shell: e}]}
        """
    )
    ids = {each.ref: each.id for each in walk(made.steps)}
    assert ids == {"1": "run_tests", "2": "run_tests_2", "2.1": "run_tests_3", "2.2": "run_tests_1", "3": "", "4": ""}
    assert body(made, "4").worker.steps[0].id == "run_tests"


# --- containers --------------------------------------------------------------------------------------------------


def test_containers_merge_down_the_levels() -> None:
    made = planned(
        """
        container:
          image: one
          workingDir: /data/repo
          command: [entry]
          env: [{name: A, value: root}, {name: B, value: root}]
          resources: {requests: {cpu: 1, memory: 1Gi}}
          securityContext: {runAsUser: 1}
          volumeMounts: [{name: v, mountPath: /v}]
        steps:
        - container: {env: [{name: A, value: group}], workingDir: sub, securityContext: {runAsGroup: 2}}
          steps:
          - workingDir: ../other
            run: {args: [x], env: [{name: C, valueFrom: {secretKeyRef: {name: s, key: k}}}]}
          - run: {image: two, resources: {requests: {cpu: 2}}}
        """
    )
    first, second = body(made, "1.1").container, body(made, "1.2").container
    assert first == Container(
        image="one",
        working_dir="/data/repo/other",
        env=(
            CI,
            EnvVar("B", "root"),
            EnvVar("A", "group"),
            EnvVar("C", "", {"secretKeyRef": {"name": "s", "key": "k"}}),
        ),
        command=("entry",),
        args=("x",),
        resources={"requests": {"cpu": 1, "memory": "1Gi"}},
        security_context={"runAsUser": 1, "runAsGroup": 2},
        volume_mounts=({"name": "v", "mountPath": "/v"},),
    )
    assert (second.image, second.command, second.args) == ("two", None, None)
    assert second.resources == {"requests": {"cpu": 2, "memory": "1Gi"}}
    assert second.working_dir == "/data/repo/sub"
    assert made.container.image == "one"


def test_a_directory_that_is_known_later_is_joined_later() -> None:
    made = planned(
        """
        container: {workingDir: /data}
        steps: [{parallel: {container: {workingDir: "{{ matrix.dir }}/x"}, matrix: {dir: [/a, b]}, shell: x}}]
        """
    )
    worker = body(made, "1").worker
    bodies = [body(bind(worker, {"matrix": {"dir": name}}), "1") for name in ("/a", "b")]
    assert [each.container.working_dir for each in bodies] == ["/a/x", "/data/b/x"]


# --- content, artifacts ------------------------------------------------------------------------------------------


def test_content() -> None:
    made = planned(
        """
        content:
          git:
            uri: https://x/y
            revision: main
            paths: [a, b]
            cone: true
            mountPath: /src
            authType: header
            tokenFrom: {secretKeyRef: {name: s, key: token}}
            username: me
            retry: {count: 7, delay: 2s}
          files:
          - {path: /data/a, content: "x", mode: 420}
          - {path: b, contentFrom: {configMapKeyRef: {name: c, key: k}}}
        steps: [{shell: x, content: {tarball: [{url: "http://x", path: /t}]}}]
        """
    )
    assert body(made, "1") == WriteFiles(
        (File("/data/a", "x", None, 420), File("b", "", {"configMapKeyRef": {"name": "c", "key": "k"}}))
    )
    assert body(made, "2") == Clone(
        "https://x/y",
        "main",
        "/src",
        ("a", "b"),
        True,
        GitAuth.HEADER,
        EnvVar("TK_GIT_USERNAME", "me"),
        EnvVar("TK_GIT_TOKEN", "", {"secretKeyRef": {"name": "s", "key": "token"}}),
        None,
        "verbose",
        7,
        2 * SECOND,
    )
    assert body(made, "3.1") == FetchTarball("/t", "http://x")


def test_artifacts_are_found_from_the_working_directory() -> None:
    made = planned(
        """
        container: {workingDir: /data/repo}
        steps:
        - artifacts: {paths: ["**/*.xml"]}
        - {shell: x, artifacts: {workingDir: out, compress: {name: all.tgz}, paths: [a, "!b"]}}
        """
    )
    assert body(made, "1") == SaveArtifacts(("**/*.xml",), "/data/repo")
    assert body(made, "2.2") == SaveArtifacts(("a", "!b"), "/data/repo/out", "all.tgz")


# --- children ----------------------------------------------------------------------------------------------------


def test_execute() -> None:
    made = planned(
        """
        steps:
        - execute:
            parallelism: 2
            async: true
            workflows:
            - {name: one, count: 2, config: {a: 1, b: "{{ index }}"}, target: {name: dev}, executionName: e}
            - selector: {matchLabels: {team: core}}
              matrix: {x: [1, 2], y: "range(3)"}
              tarball: {sources: {from: /data/repo, files: ["**/*.js"]}}
        """
    )
    execute = body(made, "1")
    assert isinstance(execute, Execute)
    assert (execute.parallelism, execute.wait) == (2, False)
    one, two = execute.items
    assert (one.name, one.spread, one.config) == ("one", Spread("2"), {"a": 1, "b": "{{ index }}"})
    assert (one.target, one.execution_name) == (Target({"name": ("dev",)}), "e")
    assert (two.name, two.selector) == (None, {"team": "core"})
    assert two.spread.matrix == {"x": [1, 2], "y": [0, 1, 2]}
    assert two.tarballs == (("sources", Transfer("/data/repo", ("**/*.js",))),)


def test_workers_are_plans_of_their_own() -> None:
    made = planned(
        """
        container: {image: root, env: [{name: A, value: a}], volumeMounts: [{name: v, mountPath: /v}]}
        pod: {serviceAccountName: me, labels: {a: b}}
        steps:
        - name: Spread
          parallel:
            count: 3
            parallelism: 2
            failFast: true
            description: "{{ index }}"
            transfer: [{from: /data/repo}]
            fetch: [{from: /out, to: /data/out, files: ["*.xml"]}]
            container: {env: [{name: B, value: "{{ index }}"}]}
            pod: {labels: {c: d}}
            job: {activeDeadlineSeconds: 9}
            services: {db: {image: postgres}}
            setup: [{shell: setup}]
            shell: work
            steps: [{shell: step}]
            after: [{shell: after}]
        """
    )
    parallel = body(made, "1")
    assert isinstance(parallel, Parallel)
    assert (parallel.spread, parallel.parallelism, parallel.fail_fast) == (Spread("3"), 2, True)
    assert parallel.transfer == (Transfer("/data/repo", ("**/*",), "/data/repo"),)
    assert parallel.fetch == (Transfer("/out", ("*.xml",), "/data/out"),)
    worker = parallel.worker
    assert worker.workflow == "tried"
    assert worker.container == Container("root", env=(CI, EnvVar("A", "a"), EnvVar("B", "{{ index }}")))
    assert worker.pod == {"serviceAccountName": "me", "labels": {"a": "b", "c": "d"}}
    assert worker.active_deadline == 9 * SECOND
    assert outline(worker) == [
        "(1 services passed)",
        "2 run passed",
        "3 run passed",
        "4 run passed",
        "5 run passed",
        "(6 stop services always)",
        "(7 offer files always)",
    ]
    assert body(worker, "3").container == worker.container
    assert body(worker, "7") == OfferFiles(parallel.fetch)


def test_controls_of_a_worker() -> None:
    made = planned(
        "steps: [{parallel: {count: 2, paused: true, retry: {count: 2}, timeout: 5s, shell: x, steps: [{shell: y}]}}]"
    )
    parallel = body(made, "1")
    assert (parallel.synchronised, made.steps[0].paused, made.steps[0].retry) == (True, False, None)
    assert outline(parallel.worker) == ["(1 delay always)", "2 group passed", "(2.1 run passed)", "2.2 run passed"]
    first, group = parallel.worker.steps
    assert (first.paused, first.body) == (True, Delay(0))
    assert (group.timeout, step(parallel.worker, "2.1").retry) == (5 * SECOND, Retry(2, "self.passed"))


def test_services_get_only_global_variables() -> None:
    made = planned(
        """
        container:
          image: root
          env: [{name: G, value: g, global: true}, {name: L, value: l}]
        services:
          db:
            image: postgres
            count: 2
            env: [{name: X, value: x}]
            args: [-v]
            timeout: 30s
            readinessProbe: {tcpSocket: {port: 5432}, periodSeconds: 1}
            restartPolicy: Never
            content: {files: [{path: /init.sql, content: select}]}
        steps: [{shell: x}]
        """
    )
    start = body(made, "1")
    assert isinstance(start, StartServices)
    (service,) = start.services
    assert (service.name, service.spread, service.ready_timeout) == ("db", Spread("2"), 30 * SECOND)
    assert (service.restart_on_failure, service.logs) == (False, "false")
    assert service.readiness_probe == {"tcpSocket": {"port": 5432}, "periodSeconds": 1}
    assert outline(service.worker) == ["(1 files passed)", "2 run passed"]
    assert body(service.worker, "2").container == Container(
        "postgres", env=(CI, EnvVar("G", "g", share=True), EnvVar("X", "x")), args=("-v",)
    )


# --- the whole ---------------------------------------------------------------------------------------------------


def test_what_the_execution_as_a_whole_says() -> None:
    made = planned(
        """
        concurrency: {max: 5, group: heavy, cancelInProgress: true}
        execution: {tags: {a: b}, target: {match: {environment: dev}, replicate: [name]}, silent: true}
        timeouts: {queue: 10m}
        job: {activeDeadlineSeconds: 60, labels: {x: "y"}}
        pod: {activeDeadlineSeconds: 30}
        system: {pureByDefault: true}
        steps: [{shell: x}]
        """,
        """
        labels: {team: core}
        annotations: {muster.dev/on-lost: retry}
        """,
    )
    assert made.concurrency == Concurrency(5, "heavy", True)
    assert made.target == Target({"environment": ("dev",)}, replicate=("name",))
    assert (made.tags, made.silent, made.queue_timeout) == ({"a": "b"}, True, 600 * SECOND)
    assert made.active_deadline == 30 * SECOND
    assert (made.labels, made.annotations) == ({"team": "core"}, {"muster.dev/on-lost": "retry"})
    assert made.job == {"activeDeadlineSeconds": 60, "labels": {"x": "y"}}
    assert made.system == {"pureByDefault": True}


def test_orchestration_needs_no_pod() -> None:
    assert planned("steps: [{delay: 1s}, {execute: {workflows: [{name: a}]}}]").orchestrates_only
    assert not planned("steps: [{shell: x}, {execute: {workflows: [{name: a}]}}]").orchestrates_only


def test_facts_are_filled_in() -> None:
    made = planned('steps: [{shell: "echo {{ execution.id }} {{ env.X }}"}]', execution={"id": "e-1"})
    assert body(made, "1").script == "echo e-1 {{env.X}}"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ('steps: [{shell: x, timeout: "{{ env.LIMIT }}"}]', "timeout must be known before the execution starts"),
        ('steps: [{shell: x, timeout: "{{ config.t }}"}]\nconfig: {t: {default: soon}}', "is not a duration"),
        ('timeouts: {queue: "{{ env.Q }}"}\nsteps: [{shell: x}]', "queue must be known"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(spec: str, words: str) -> None:
    with pytest.raises(InvalidDocument, match=words) as caught:
        planned(spec)
    assert all(problem.position.line for problem in caught.value.problems)


def test_all_problems_at_once() -> None:
    with pytest.raises(InvalidDocument) as caught:
        planned('steps: [{shell: x, timeout: "{{ env.A }}"}, {shell: x, timeout: "{{ env.B }}"}]')
    assert len(caught.value.problems) == 2


def test_steps_too_deep_are_refused() -> None:
    spec = "steps: [" + "{steps: [" * 31 + "{shell: x}" + "]}" * 31 + "]"
    with pytest.raises(InvalidDocument, match="levels deep"):
        planned(spec)
