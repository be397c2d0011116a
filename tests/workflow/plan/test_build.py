"""From resolved workflows to plans."""

from __future__ import annotations

from tests.workflow.plan.written import CI, body, outline, planned, step
from workflow.identifiers import SECOND
from workflow.plan.bind import bind
from workflow.plan.nodes import (
    Container,
    Delay,
    EnvVar,
    Group,
    Retry,
    Run,
    Step,
    StopServices,
    walk,
)

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
