"""Kubernetes quantities as numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from workflow.pods.resources import BadQuantity, quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2),
        ("100m", Decimal("0.1")),
        ("1.5Gi", Decimal("1.5") * 1024**3),
        ("128Mi", 128 * 1024**2),
        ("1k", 1000),
        ("1M", 10**6),
        ("2G", 2 * 10**9),
        ("1E", 10**18),
        ("1e3", 1000),
        ("12E2", 1200),
        ("0", 0),
        (3, 3),
        (0.5, Decimal("0.5")),
    ],
)
def test_a_quantity_is_a_number(text: str | float, number: Decimal | int) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "x", "1X", "Mi", "1 Gi", "nan", "inf", "--1"])
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(BadQuantity):
        quantity(text)
