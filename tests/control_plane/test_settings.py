"""Settings: sources, order, all problems at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.settings import FILE, BadSettings, load


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load(tmp_path, {}, {})
    assert (settings.web_host, settings.web_port) == ("127.0.0.1", 7070)


def test_the_command_line_stands_above_the_environment_and_that_above_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('grpc_port = 1\nweb_port = 2\nenrol_port = 3\nnames = ["a", "b"]\nlost_after = 7\n')
    settings = load(tmp_path, {"MUSTER_WEB_PORT": "20", "MUSTER_ENROL_PORT": "30"}, {"enrol_port": "300"})
    assert (settings.grpc_port, settings.web_port, settings.enrol_port) == (1, 20, 300)
    assert settings.names == ("a", "b")
    assert settings.terms.lost_after == 7


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('grpc_prot = 1\nweb_host = "0.0.0.0"\nlease = 5\nlog_level = "loud"\n')
    with pytest.raises(BadSettings) as refused:
        load(tmp_path, {"MUSTER_GRPC_PORT": "70000"}, {})
    told = "\n".join(refused.value.problems)
    assert "there is no setting 'grpc_prot', did you mean grpc_port?" in told
    assert "web_host must be a loopback address" in told
    assert "lease (5 s) must be at least twice the heartbeat (10 s)" in told
    assert "log_level must be debug, info, warning or error, not 'loud'" in told
    assert "MUSTER_GRPC_PORT: grpc_port must be a port from 0 to 65535, not '70000'" in told


def test_beyond_loopback_people_come_through_something_that_speaks_tls(tmp_path: Path) -> None:
    settings = load(tmp_path, {"MUSTER_WEB_HOST": "0.0.0.0", "MUSTER_WEB_NAMES": "muster.example.com"}, {})
    assert (settings.web_host, settings.web_names) == ("0.0.0.0", ("muster.example.com",))


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("grpc_port: 1\n")
    with pytest.raises(BadSettings, match="is no TOML"):
        load(tmp_path, {}, {})


def test_ports_must_differ(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="must differ"):
        load(tmp_path, {"MUSTER_GRPC_PORT": "7070"}, {})
    load(tmp_path, {"MUSTER_GRPC_PORT": "0", "MUSTER_WEB_PORT": "0"}, {})


def test_how_much_of_a_log_is_kept(tmp_path: Path) -> None:
    assert load(tmp_path, {}, {}).log_limit == 1024
    assert load(tmp_path, {"MUSTER_LOG_LIMIT": "0"}, {}).log_limit == 0
    with pytest.raises(BadSettings, match="log_limit must be MiB, or 0 to keep all that is printed, not 'much'"):
        load(tmp_path, {"MUSTER_LOG_LIMIT": "much"}, {})


def test_what_is_kept_for_how_long(tmp_path: Path) -> None:
    assert load(tmp_path, {}, {}).keep_days == 0
    assert load(tmp_path, {"MUSTER_KEEP_DAYS": "30"}, {}).keep_days == 30
    with pytest.raises(BadSettings, match="keep_days must be days, or 0 to keep everything, not '-1'"):
        load(tmp_path, {"MUSTER_KEEP_DAYS": "-1"}, {})
