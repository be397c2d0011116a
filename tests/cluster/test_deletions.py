"""Pods that are deleted or evicted at any instant on a real cluster: the same tests as on the one in this process."""

from __future__ import annotations

from tests.cluster.test_cutting import cut
from tests.contracts.cutting.test_deletions import *  # noqa: F403 - the tests themselves

__all__ = ["cut"]
