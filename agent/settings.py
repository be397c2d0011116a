"""The settings of an agent: read once, at start, from ``<state>/agent.toml`` and the environment.

Called by __main__ alone; everybody else gets plain frozen values. All problems are reported together. The environment
(``MUSTER_AGENT_MAX_CONCURRENT``, ...) stands above the file. The file's keys are the fields of ``Settings``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Final

FILE: Final = "agent.toml"
PREFIX: Final = "MUSTER_AGENT_"

INHERITED: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)
"""Variables of the agent's own environment that steps have too. No other one reaches them."""


class BadSettings(Exception):
    """The settings cannot be used. ``problems`` are sentences, one each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """How an agent works. ``state`` is its own directory and nobody else's."""

    state: Path
    executor: str = "process"
    """Where conductors run: as a process of this machine, or as pods of a cluster (kubernetes)."""
    cluster: Path | None = None
    """How pods are made, and what this cluster allows; None: <state>/cluster.toml."""
    max_concurrent: int = 100
    """Attempts at once at the most; the control plane may set a lower number."""
    isolation: str = "auto"
    """How steps come to see directories of their own: auto, namespaces (or nothing runs) or paths."""
    references: Path | None = None
    """Where secrets/NAME/KEY and configmaps/NAME/KEY lie; None: <state>/references."""
    pass_env: tuple[str, ...] = ()
    """Further variables of the agent's environment that steps have."""
    on_stop: str = "leave"
    """What a stop (SIGTERM) means for what runs: leave it to the next agent here, or end it."""
    alone_hours: float = 24.0
    """How long a conductor waits for an agent before it gives up."""
    health_port: int = 0
    """Where /healthz and /readyz answer; 0: nowhere."""
    health_host: str = "127.0.0.1"
    """On which address; a kubelet asks that of the pod."""
    log_level: str = "info"
    env: Mapping[str, str] = field(default_factory=dict)
    """What steps have in their environment; made of INHERITED and pass_env, not set."""


def load(state: Path, environment: Mapping[str, str]) -> Settings:
    """The settings. BadSettings."""
    problems: list[str] = []
    given = _from_file(state / FILE, problems)
    given |= _from_environment(environment, problems)
    known: dict[str, object] = {}
    for name, (where, value) in given.items():
        try:
            known[name] = _READERS[name](value)
        except ValueError as problem:
            problems.append(f"{where}: {problem}")
    if problems:
        raise BadSettings(tuple(problems))
    passed = (*INHERITED, *(known.get("pass_env") or ()))  # type: ignore[misc]
    env = {name: environment[name] for name in passed if name in environment}
    env.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    env.setdefault("HOME", "/root")
    return Settings(state=state, **known, env={**env, "CI": "1"})  # type: ignore[arg-type]


def _from_file(path: Path, problems: list[str]) -> dict[str, tuple[str, object]]:
    try:
        content = tomllib.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):  # who needs the directory will say what is wrong with it
        return {}
    except (OSError, ValueError) as problem:
        problems.append(f"{path} cannot be read: {problem}")
        return {}
    return _known({key: (f"{path}: {key}", value) for key, value in content.items()}, problems)


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, tuple[str, object]]:
    found = {
        name.removeprefix(PREFIX).lower(): (name, value)
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }
    return _known(dict(found), problems)


def _known(given: dict[str, tuple[str, object]], problems: list[str]) -> dict[str, tuple[str, object]]:
    for name in [name for name in given if name not in _READERS]:
        where, _ = given.pop(name)
        near = get_close_matches(name, _READERS, 1)
        problems.append(f"{where} is no setting of an agent" + (f"; did you mean {near[0]}?" if near else ""))
    return given


def _one_of(*allowed: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in allowed:
            raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
        return str(value)

    return read


def _between(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        text = str(value)
        if isinstance(value, bool) or not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"{value!r} is no whole number from {least} to {most}")
        return int(text)

    return read


def _hours(value: object) -> float:
    try:
        hours = float(str(value))
    except ValueError:
        hours = 0
    if not 0 < hours <= 24 * 365:
        raise ValueError(f"{value!r} is no number of hours above 0")
    return hours


def _path(value: object) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no path")
    return Path(value).absolute()


def _address(value: object) -> str:
    try:
        return str(ip_address(str(value)))
    except ValueError:
        raise ValueError(f"{value!r} is no IP address") from None


def _names(value: object) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{value!r} is no list of names")
    return tuple(name.strip() for name in names if name.strip())


_READERS: Final[Mapping[str, Callable[[object], object]]] = {
    "executor": _one_of("process", "kubernetes"),
    "cluster": _path,
    "max_concurrent": _between(1, 10_000),
    "isolation": _one_of("auto", "namespaces", "paths"),
    "references": _path,
    "pass_env": _names,
    "on_stop": _one_of("leave", "end"),
    "alone_hours": _hours,
    "health_port": _between(0, 65535),
    "health_host": _address,
    "log_level": _one_of("debug", "info", "warning", "error"),
}

assert set(_READERS) == {field.name for field in fields(Settings)} - {"state", "env"}
