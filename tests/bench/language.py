"""The language's speed: a large document, a large matrix, expressions; and shards by duration beside shards by count.

By itself: ``python -m tests.bench.language``. Every document is parsed for the first time: its texts differ from those
before. Sharding is a simulation: no clock is involved.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import yaml

from tests.bench.table import Row, alone, p50
from tests.workflow.source.hostile import milliseconds
from workflow.balance import balanced
from workflow.expressions import evaluate, parse, render, scope
from workflow.model import parse_documents
from workflow.plan.bind import bind
from workflow.plan.build import build
from workflow.plan.children import expand
from workflow.plan.nodes import Parallel, leaves
from workflow.resolve import resolve

HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata: {name: bench}\nspec:\n"
ROUNDS = 7


def large(steps: int, number: int) -> str:
    """A document of so many steps as people write them: a name, a script with a parameter; every fifth with more."""
    lines = [HEAD + "  config: {who: {type: string, default: me}}\n  steps:\n"]
    for step in range(steps):
        lines.append(f"    - name: Step {step} of document {number}\n")
        lines.append(
            f"      shell: |\n        echo {number}.{step}\n        test {{{{ config.who }}}} = me-{number}-{step}\n"
        )
        if step % 5 == 0:
            lines.append(f'      condition: passed && env.PART != "{number}-{step}"\n      timeout: 5m\n')
            lines.append(f"      container: {{env: [{{name: A, value: '{{{{ workflow.name }}}}-{number}-{step}'}}]}}\n")
            lines.append(f"      artifacts: {{paths: ['out/{number}/{step}/*.xml']}}\n")
    return "".join(lines)


def matrix(keys: int, size: int) -> str:
    """A matrix of size ** keys workers, each with a title and a script of its own."""
    rows = "".join(f"          k{key}: [{', '.join(map(str, range(size)))}]\n" for key in range(keys))
    return (
        HEAD
        + "  steps:\n    - parallel:\n        matrix:\n"
        + rows
        + '        description: "{{ matrix.k0 }}-{{ matrix.k1 }}"\n'
        "        shell: echo {{ matrix.k0 }} {{ matrix.k1 }} {{ index }} of {{ count }}\n"
    )


def planned(text: str) -> object:
    """From the text to the plan."""
    return build(resolve(parse_documents(text, "bench.yaml").workflows[0], {}, {}))


def workers(text: str) -> int:
    """From the text to the plan of every worker, its own values filled in."""
    plan = build(resolve(parse_documents(text, "bench.yaml").workflows[0], {}, {}))
    body = leaves(plan.steps)[0].body
    assert isinstance(body, Parallel)
    return len([bind(body.worker, child.variables) for child in expand(body, {})])


def seconds(work: Callable[[str], object], texts: list[str]) -> float:
    """The median over the texts, in CPU time of this thread: whoever else is busy on the machine does not count."""
    found: list[float] = []
    for text in texts:
        begin = time.thread_time()
        work(text)
        found.append(time.thread_time() - begin)
    return p50(found)


def documents() -> list[Row]:
    """A large document beside PyYAML, and a large matrix."""
    texts = [large(1_000, number) for number in range(2 * ROUNDS)]
    planned(large(10, 99))
    took = seconds(planned, texts[:ROUNDS])
    plain = seconds(yaml.safe_load, texts[:2])
    fast = seconds(lambda text: yaml.load(text, Loader=yaml.CSafeLoader), texts[:ROUNDS])
    spread = seconds(workers, [matrix(4, 10)] * 3)
    size = len(texts[0]) // 1000
    return [
        Row(
            f"parse, resolve and plan 1,000 steps ({size} kB)",
            f"{took * 1e3:8.1f} ms of CPU",
            "<= 150 ms",
            took <= 0.150,
        ),
        Row("  PyYAML's safe_load of the same bytes", f"{plain * 1e3:8.1f} ms   we take {took / plain:4.2f} of it"),
        Row("  PyYAML's CSafeLoader of the same bytes", f"{fast * 1e3:8.1f} ms   we take {took / fast:4.2f} of it"),
        Row(
            "plan a matrix of 10,000 workers, each bound", f"{spread * 1e3:8.1f} ms of CPU", "<= 1000 ms", spread <= 1.0
        ),
    ]


def hostile() -> list[Row]:
    """The slowest refusal of input that was made to hurt."""
    taken = milliseconds()
    worst = max(taken, key=lambda name: taken[name])
    figure = f"{taken[worst]:8.1f} ms of CPU ({worst})"
    return [Row(f"refuse hostile input, worst of {len(taken)}", figure, "<= 50 ms", taken[worst] <= 50)]


def expressions() -> list[Row]:
    """Evaluations a second, of what conditions and templates look like."""
    known = scope({"config": {"who": "me", "n": 3}, "matrix": {"a": "x"}, "passed": True, "env": {"A": "1"}})
    cases: dict[str, Callable[[], object]] = {
        "a condition": lambda: evaluate('passed && env.A == "1" && config.n > 2', known),
        "a template of two pieces": lambda: render("{{ config.who }}-{{ matrix.a }}", known),
        "functions and a list": lambda: evaluate('join(map(split("a,b,c"), "_.value + 1"), "-")', known),
    }
    rows = [Row(f"evaluate {name}", f"{rate(work) / 1e3:8.1f} k/s") for name, work in cases.items()]
    fresh = iter(range(10**9))
    rows.append(
        Row("parse one never seen before", f"{rate(lambda: parse(f'a.b == {next(fresh)} && x')) / 1e3:8.1f} k/s")
    )
    return rows


def rate(work: Callable[[], object], within: float = 0.3) -> float:
    """How often a second of CPU time of this thread."""
    done, begin = 0, time.thread_time()
    while (spent := time.thread_time() - begin) < within:
        for _ in range(100):
            work()
        done += 100
    return done / spent


def sharding() -> list[Row]:
    """The longest shard over the mean, of suites whose tests last 1 to 60 units: worst and middle of 200 suites."""
    rows: list[Row] = []
    for tests, shards in ((60, 4), (200, 8), (1_000, 16)):
        by_count: list[float] = []
        by_duration: list[float] = []
        for seed in range(200):
            dice = Random(seed)
            durations = [dice.randint(1, 60) for _ in range(tests)]
            mean = sum(durations) / shards
            size, more = divmod(tests, shards)
            starts = [shard * size + min(shard, more) for shard in range(shards + 1)]
            pieces = [sum(durations[a:b]) for a, b in pairwise(starts)]
            by_count.append(max(pieces) / mean)
            longest = max(sum(durations[place] for place in each) for each in balanced(durations, shards))
            by_duration.append(longest / mean)
        rows.append(Row(f"{tests} tests in {shards} shards, by count", _ratio(by_count)))
        rows.append(
            Row(
                f"{tests} tests in {shards} shards, by duration",
                _ratio(by_duration),
                "<= 1.10",
                max(by_duration) <= 1.1,
            )
        )
    return rows


def _ratio(values: list[float]) -> str:
    return f"longest / mean: middle {p50(values):5.3f}, worst {max(values):5.3f}"


async def measure(folder: Path) -> list[Row]:
    """All of it; the folder is not used."""
    del folder
    return await asyncio.to_thread(lambda: [*documents(), *hostile(), *expressions(), *sharding()])


if __name__ == "__main__":
    alone("the language", measure)
