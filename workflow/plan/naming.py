"""Ids of steps, by which ``step.<id>.outputs`` finds them. Used by the planner, one namespace for each execution."""

from __future__ import annotations

import re

_OTHER = re.compile(r"[^a-z0-9]+")
_LONGEST = 100


class Ids:
    """The ids of one namespace. Those that users wrote are taken first, whatever comes before them."""

    def __init__(self, written: frozenset[str]) -> None:
        self._taken = set(written)

    def of(self, written: str | None, name: str | None) -> str:
        """The step's id: as written, else made of its name (``Run tests`` is ``run_tests``, the next one
        ``run_tests_1``); empty where it has neither."""
        if written:
            return written
        stem = _OTHER.sub("_", (name or "").lower()).strip("_")[:_LONGEST]
        if not stem:
            return ""
        found, number = stem, 0
        while found in self._taken:
            number += 1
            found = f"{stem}_{number}"
        self._taken.add(found)
        return found
