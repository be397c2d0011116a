"""Modules that others load at their top, and a conductor never uses: they are run only once somebody looks into them.

Called by ``__main__`` before anything else is loaded. A name that is no more, or a module that is looked into at once,
costs what it always did and breaks nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Final

UNUSED: Final = frozenset(
    {
        "google.protobuf.internal.python_message",  # messages written in Python; ours are the library's in C
        "google.protobuf.internal.well_known_types",  # and none of them is one of these
        "ast",  # inspect, which dataclasses load, reads no source
        "tokenize",
    }
)


class _Finder:
    """Finds these before the ordinary finders do."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None for everybody else."""
        if name not in UNUSED:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def defer() -> None:
    """From now on."""
    sys.meta_path.insert(0, _Finder())
