"""Values of parameters: casting, constraints, and patterns that would never end."""

from __future__ import annotations

import time
from typing import Any

import pytest

from workflow.model import Parameter
from workflow.resolve import BadParameter, Value, cast


def parameter(**fields: Any) -> Parameter:
    return Parameter.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "given", "expected"),
    [
        ({}, 5, "5"),
        ({}, True, "true"),
        ({"type": "string"}, "{{ x }}", "{{ x }}"),
        ({"type": "integer"}, " 12 ", 12),
        ({"type": "integer"}, 3.0, 3),
        ({"type": "number"}, "1.50", 1.5),
        ({"type": "number"}, "2", 2),
        ({"type": "boolean"}, "No", False),
        ({"type": "boolean"}, 1, True),
        ({"enum": ["a", "b"]}, "b", "b"),
        ({"type": "integer", "enum": ["1", "2"]}, "2", 2),
        ({"pattern": "^v[0-9]+$"}, "v12", "v12"),
        ({"format": "date"}, "2024-02-29", "2024-02-29"),
        ({"format": "date-time"}, "2024-02-29T23:59:59.123456789+02:00", "2024-02-29T23:59:59.123456789+02:00"),
        ({"format": "time"}, "23:59:59Z", "23:59:59Z"),
        ({"format": "duration"}, "P1DT12H", "P1DT12H"),
        ({"format": "email"}, "a.b+c@example.com", "a.b+c@example.com"),
        ({"format": "hostname"}, "a-1.example.com", "a-1.example.com"),
        ({"format": "ipv4"}, "10.0.0.1", "10.0.0.1"),
        ({"format": "ipv6"}, "fe80::1", "fe80::1"),
        ({"format": "uri"}, "https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
        ({"format": "uri"}, "", ""),
        ({"format": "uuid"}, "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        ({"format": "of-my-own"}, "anything", "anything"),
        ({"type": "integer", "format": "int32"}, 2147483647, 2147483647),
        ({"type": "number", "multipleOf": 0.1}, 0.3, 0.3),
        ({"type": "integer", "minimum": 1, "maximum": 3}, 3, 3),
    ],
)
def test_values_that_fit(fields: dict[str, Any], given: Value, expected: Value) -> None:
    found = cast(parameter(**fields), given)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("fields", "given", "words"),
    [
        ({"type": "integer"}, "5.9", "must be an integer, not '5.9'"),
        ({"type": "integer"}, True, "must be an integer"),
        ({"type": "integer"}, "٣", "must be an integer"),
        ({"type": "number"}, "abc", "must be a number"),
        ({"type": "number"}, "1e999", "must be a number"),
        ({"type": "number"}, "nan", "must be a number"),
        ({"type": "boolean"}, "maybe", "must be true or false"),
        ({"enum": ["a", "b"]}, "c", "must be one of a, b, not 'c'"),
        ({"pattern": "^v[0-9]+$"}, "12", "must match ^v[0-9]+$, not '12'"),
        ({"format": "date"}, "2023-02-29", "must be of the format date, not '2023-02-29'"),
        ({"format": "date"}, "20240229", "must be of the format date"),
        ({"format": "date-time"}, "2024-02-29 25:00:00Z", "must be of the format date-time"),
        ({"format": "date-time"}, "2024-02-29T23:59:59", "must be of the format date-time"),
        ({"format": "time"}, "24:00:00", "must be of the format time"),
        ({"format": "duration"}, "P", "must be of the format duration"),
        ({"format": "duration"}, "1h", "must be of the format duration"),
        ({"format": "email"}, "a@b@c", "must be of the format email"),
        ({"format": "email"}, "a@-b", "must be of the format email"),
        ({"format": "hostname"}, "a_b", "must be of the format hostname"),
        ({"format": "hostname"}, "a." * 200, "must be of the format hostname"),
        ({"format": "ipv4"}, "10.0.0.256", "must be of the format ipv4"),
        ({"format": "ipv6"}, "10.0.0.1", "must be of the format ipv6"),
        ({"format": "uri"}, "example.com", "must be of the format uri"),
        ({"format": "uuid"}, "123e4567", "must be of the format uuid"),
        ({"type": "integer", "format": "int32"}, 2147483648, "must be of the format int32"),
        ({"minLength": 3}, "ab", "at least 3 characters, not 2"),
        ({"maxLength": 3}, "abcd", "at most 3 characters, not 4"),
        ({"type": "integer", "minimum": 1}, 0, "must be at least 1"),
        ({"type": "integer", "maximum": 1}, 2, "must be at most 1"),
        ({"type": "number", "exclusiveMinimum": 1}, 1, "must be above 1"),
        ({"type": "number", "exclusiveMaximum": 1}, 1.0, "must be below 1"),
        ({"type": "integer", "multipleOf": 3}, 4, "must be a multiple of 3"),
        ({"pattern": "["}, "a", "a pattern that cannot be used"),
    ],
)
def test_values_that_do_not_fit(fields: dict[str, Any], given: Value, words: str) -> None:
    with pytest.raises(BadParameter) as refused:
        cast(parameter(**fields), given)
    assert words in str(refused.value)


def test_a_sensitive_value_is_not_said() -> None:
    with pytest.raises(BadParameter) as refused:
        cast(parameter(pattern="^x$", sensitive=True), "hunter2")
    assert "hunter2" not in str(refused.value)


def test_a_pattern_that_never_ends_is_given_up() -> None:
    started = time.process_time()
    with pytest.raises(BadParameter, match="cannot be used"):
        cast(parameter(pattern="(a+)+$"), "a" * 9_000 + "b")
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("fields", "given"),
    [
        ({"type": "integer"}, "hunter2"),
        ({"type": "number"}, "hunter2"),
        ({"type": "boolean"}, "hunter2"),
        ({"pattern": "^v"}, "hunter2"),
        ({"enum": ["a", "b"]}, "hunter2"),
        ({"minLength": 40}, "hunter2"),
        ({"maxLength": 2}, "hunter2"),
        ({"type": "integer", "minimum": 4711}, 4242),
        ({"type": "integer", "maximum": 1}, 4242),
        ({"type": "integer", "multipleOf": 5}, 4242),
        ({"type": "number", "exclusiveMaximum": 4}, 4242),
        ({"type": "number", "exclusiveMinimum": 4300}, 4242),
    ],
)
def test_what_is_wrong_with_a_sensitive_value_is_told_without_it(fields: dict[str, Any], given: Value) -> None:
    with pytest.raises(BadParameter) as told:
        cast(parameter(**fields), given)
    with pytest.raises(BadParameter) as hidden:
        cast(parameter(**fields, sensitive=True), given)
    assert str(told.value).startswith(f"{hidden.value}, not ")
    assert "hunter2" not in str(hidden.value) and "4242" not in str(hidden.value)
