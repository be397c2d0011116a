"""Conditions that ask secrets: answered, and nothing of the secret is said where they cannot be."""

from __future__ import annotations

import pytest

from workflow.execution.conditions import Unanswerable, holds
from workflow.states import StepStatus

SECRETS = {"secret/s/k": "Tr0ub4dor"}


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ('secret("s", "k") == "Tr0ub4dor"', True),
        ('secret("s", "k") == "other"', False),
        ('secret("s", "missing") == ""', True),
        ('passed && len(secret("s", "k")) > 3', True),
    ],
)
def test_a_condition_may_ask_a_secret(condition: str, answer: bool) -> None:
    assert holds(condition, StepStatus.PASSED, lambda: {"passed": True}, {}, SECRETS) is answer


@pytest.mark.parametrize("condition", ['secret("s", "k") > 5', 'int(secret("s", "k")) == 1', 'secret("s")'])
def test_nothing_of_it_is_said(condition: str) -> None:
    with pytest.raises(Unanswerable) as refused:
        holds(condition, StepStatus.PASSED, dict, {}, SECRETS)
    assert "Tr0ub4dor" not in str(refused.value) and refused.value.__cause__ is None
