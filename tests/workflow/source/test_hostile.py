"""Input made to hurt: each is refused with one clear problem, quickly, in little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping

import pytest

from tests.workflow.source.hostile import HOSTILE, milliseconds
from workflow.model import examine_documents
from workflow.problems import MAX_PROBLEMS
from workflow.source import read


@pytest.fixture(scope="module")
def taken() -> Mapping[str, float]:
    return milliseconds()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_refused(name: str) -> None:
    text, code = HOSTILE[name]
    _, problems = read(text, "w.yaml")
    assert problems[-1].code == code, problems
    assert len(problems) <= 50
    assert all(len(str(problem)) < 500 for problem in problems)


def test_hostile_input_is_refused_quickly(taken: Mapping[str, float]) -> None:
    """The goal is 50 ms, which the benchmark shows; five times that is allowed for a slow machine."""
    assert taken.keys() == HOSTILE.keys()
    slow = {name: spent for name, spent in taken.items() if spent > 250}
    assert not slow


@pytest.mark.parametrize("name", ["alias bomb", "merge bomb", "many values", "many keys", "deep list"])
def test_memory_stays_small(name: str) -> None:
    tracemalloc.start()
    try:
        read(HOSTILE[name][0], "w.yaml")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * 1024 * 1024


@pytest.mark.parametrize("text", ["", "\ufeffa: b", "# only words\n", "---\n---\n", "a: |\n  {{ b }}\n"])
def test_harmless_input_is_not_refused(text: str) -> None:
    _, problems = read(text, "w.yaml")
    assert problems == ()


HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata: {name: w}\nspec:\n"


@pytest.mark.parametrize(
    "body",
    [
        "  steps: [" + ", ".join(["{shel: 1}"] * 3_000) + "]\n",
        "  steps: [" + ", ".join(["{shell: '{{ a + }}'}"] * 3_000) + "]\n",
        "  events: [" + ", ".join(["{cronjob: {cron: x}}"] * 3_000) + "]\n",
        "  steps: [" + ", ".join(["{shell: a, id: same}"] * 3_000) + "]\n",
    ],
)
def test_thousands_of_problems_are_not_all_told(body: str) -> None:
    problems = examine_documents(HEAD + body, "w.yaml").problems
    assert len(problems) == MAX_PROBLEMS + 1
    assert [problem.code for problem in problems].count("more-problems") == 1
