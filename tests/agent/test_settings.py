"""Settings: read once, all problems at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.settings import BadSettings, load


def test_nothing_set_is_enough(tmp_path: Path) -> None:
    settings = load(tmp_path, {"PATH": "/bin", "HOME": "/h", "AWS_SECRET_ACCESS_KEY": "not for steps"})
    assert settings.max_concurrent > 0 and settings.isolation == "auto" and settings.on_stop == "leave"
    assert settings.env == {"PATH": "/bin", "HOME": "/h", "CI": "1"}


def test_the_environment_stands_above_the_file(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('max_concurrent = 3\nisolation = "paths"\npass_env = ["GOPATH"]\n')
    settings = load(tmp_path, {"MUSTER_AGENT_MAX_CONCURRENT": "7", "GOPATH": "/go"})
    assert (settings.max_concurrent, settings.isolation, settings.env["GOPATH"]) == (7, "paths", "/go")


def test_all_problems_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('max_concurent = 3\nisolation = "jail"\nalone_hours = -1\n')
    with pytest.raises(BadSettings) as bad:
        load(tmp_path, {"MUSTER_AGENT_HEALTH_PORT": "many", "MUSTER_AGENT_PASS_ENV": "A,B"})
    told = "\n".join(bad.value.problems)
    assert len(bad.value.problems) == 4
    assert "did you mean max_concurrent" in told and "'jail'" in told and "MUSTER_AGENT_HEALTH_PORT" in told


def test_a_file_that_is_no_toml_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("max_concurrent = \n")
    with pytest.raises(BadSettings, match=r"agent\.toml cannot be read"):
        load(tmp_path, {})
