"""From resolved workflows to plans: content, artifacts, children, and the plan as a whole."""

from __future__ import annotations

import pytest

from tests.workflow.plan.written import CI, body, outline, planned, step
from workflow.identifiers import SECOND
from workflow.labels import Target
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
    OfferFiles,
    Parallel,
    Retry,
    SaveArtifacts,
    Spread,
    StartServices,
    Transfer,
    WriteFiles,
)
from workflow.problems import InvalidDocument

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
