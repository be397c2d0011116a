"""What a piece of work costs, told so that a busy machine does not change the answer.

Called by tests that bound a cost. CPU time of this process, and the least of several tries: what the neighbours take
and a collection of the garbage that other tests left both fall away; what the work itself costs stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def least(work: Callable[[], object], tries: int = 3) -> float:
    """CPU seconds of the cheapest of ``tries`` calls."""
    return min(_seconds(work) for _ in range(tries))


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
