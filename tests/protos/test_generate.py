"""The committed generated code is what the .proto files give."""

from __future__ import annotations

import pytest

pytest.importorskip("grpc_tools", reason="the code generator is not installed")

from protos import generate


def test_nothing_drifted() -> None:
    assert generate.drift() == []
