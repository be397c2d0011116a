"""Parameters of workflows and templates (``config``)."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .node import Boolean, Integer, Node, Scalar, Value


class ParameterType(StrEnum):
    """What a parameter's value is cast to."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


class Parameter(Node):
    """One parameter: what it may be, and its value when none is given. Without ``default`` it must be given."""

    description: str | None = None
    type: ParameterType = ParameterType.STRING
    enum: tuple[str, ...] | None = None
    example: Scalar | None = None
    default: Value | None = None
    sensitive: Boolean = False
    format: str | None = None
    pattern: str | None = None
    min_length: Integer | None = Field(default=None, ge=0)
    max_length: Integer | None = Field(default=None, ge=0)
    minimum: Integer | float | None = None
    maximum: Integer | float | None = None
    exclusive_minimum: Integer | float | None = None
    exclusive_maximum: Integer | float | None = None
    multiple_of: Integer | float | None = None
