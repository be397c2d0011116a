"""How fast a conductor is there. The bounds are loose, since machines are shared; the figures are printed."""

from __future__ import annotations

import statistics
import time

from tests.agent.conftest import Bench
from tests.agent.plans import plan, shell
from tests.fakes.control import Held
from workflow.journal import AttemptStarted, Output, StepStarted


def at(held: Held, kind: type) -> float:
    return next(record.entry.at for record in held.records if isinstance(record.entry, kind)) / 1_000_000


async def test_from_assignment_to_the_first_step(bench: Bench) -> None:
    await bench.run(plan(shell("true")))
    figures: list[tuple[float, float, float]] = []
    for _ in range(20):
        began = time.time()
        held = await bench.run(plan(shell("echo x")))
        figures.append((at(held, AttemptStarted) - began, at(held, StepStarted) - began, at(held, Output) - began))
    attempt, step, output = (statistics.median(figure) * 1000 for figure in zip(*figures, strict=True))
    print(f"\nfrom assignment: AttemptStarted {attempt:.1f} ms, StepStarted {step:.1f} ms, output {output:.1f} ms")  # noqa: T201
    assert step < 250


async def test_a_hundred_at_once(bench: Bench) -> None:
    began = time.time()
    all_held = [await bench.submit(plan(shell("echo x; sleep 0.5"))) for _ in range(100)]
    await bench.control.until(lambda: all(held.finished for held in all_held), 60)
    last = max(at(held, StepStarted) for held in all_held) - began
    print(f"\n100 at once: the last step started after {last * 1000:.0f} ms")  # noqa: T201
    assert last < 12


async def test_the_first_word_after_a_silence_is_there_at_once(bench: Bench) -> None:
    late: list[float] = []
    held = await bench.submit(plan(shell("for i in 1 2 3 4 5; do sleep 0.25; echo $i; done")))
    seen = 0

    def more() -> bool:
        return len(held.records) > seen

    while held.finished is None:
        await bench.control.until(more)
        arrived = time.time()
        fresh = [record.entry for record in held.records[seen:] if isinstance(record.entry, Output)]
        late += [arrived - entry.at / 1_000_000 for entry in fresh]
        seen = len(held.records)
    print(f"\nlive: {statistics.median(late) * 1000:.1f} ms from the step to the control plane")  # noqa: T201
    assert len(late) == 5 and statistics.median(late) < 0.1
