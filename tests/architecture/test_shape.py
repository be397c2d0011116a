"""The shape that a newcomer counts on: small files, packages that are packages, no drawer for odds and ends."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("workflow", "protos", "control_plane", "agent", "muster")
MOST_LINES = 450


def sources(*folders: str) -> list[Path]:
    """Every source file of ours, generated ones left out."""
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "_pb2" not in path.name and "migrations" not in path.parts
    ]


def test_no_file_is_too_long_to_hold_in_the_head() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources(*PACKAGES, "tests")
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert not long


@pytest.mark.parametrize("name", ["utils", "util", "common", "helpers", "helper", "misc", "shared"])
def test_no_drawer_for_odds_and_ends(name: str) -> None:
    assert not [path for path in sources(*PACKAGES) if name in path.relative_to(ROOT).with_suffix("").parts]


def test_every_folder_with_code_is_a_package() -> None:
    """A folder without __init__.py loses to any package of the same name elsewhere."""
    assert not [path for path in sources(*PACKAGES, "tests") if not (path.parent / "__init__.py").exists()]


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in sources(*PACKAGES)
        if (text := path.read_text().strip()) and not text.startswith('"""')
    ]
    assert not silent
