"""The settings of a control plane: read once, at start, from ``<state>/control-plane.toml``, the environment and the
command line.

Called by __main__ alone; everybody else gets plain frozen values. All problems are reported together. The environment
(``MUSTER_GRPC_PORT``, ...) stands above the file. The file's keys are the fields of ``Settings``.
"""

from __future__ import annotations

import ipaddress
import socket
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from workflow.leases import Terms

FILE: Final = "control-plane.toml"
PREFIX: Final = "MUSTER_"


class BadSettings(Exception):
    """The settings cannot be used. ``problems`` are sentences, one each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen (port 0: any that is free), where to keep things, how patient to be (seconds)."""

    state: Path
    grpc_host: str = "127.0.0.1"
    grpc_port: int = 7443
    enrol_host: str = "127.0.0.1"
    enrol_port: int = 7444
    web_host: str = "127.0.0.1"
    web_port: int = 7070
    web_names: tuple[str, ...] = ()  # host names under which a proxy that speaks TLS passes people on to us
    advertise: str = ""  # the host under which agents find us; empty: grpc_host, or this machine's name
    names: tuple[str, ...] = ()  # further host names and addresses in our certificate
    objects: str = ""  # where artifacts and sealed journals lie: a folder or URL; empty: <state>/objects
    heartbeat: float = 10.0
    lease: float = 30.0
    answer: float = 10.0
    lost_after: float = 300.0
    stop_grace: float = 60.0
    keep_days: float = 0.0  # days for which runs that ended are kept, with their logs and artifacts; 0: for ever
    log_limit: float = 1024.0  # MiB of output that are kept of one execution; 0: all of it
    log_level: str = "info"

    @property
    def terms(self) -> Terms:
        """The patience with agents."""
        return Terms(self.heartbeat, self.lease, self.answer, self.lost_after, self.stop_grace)

    @property
    def host(self) -> str:
        """The host under which agents find us."""
        if self.advertise:
            return self.advertise
        return socket.gethostname() if self.grpc_host in {"0.0.0.0", "::", ""} else self.grpc_host  # noqa: S104


@dataclass(slots=True)
class Reading:
    """Values as they come in, and what is wrong with them."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def take(self, source: str, name: str, raw: object) -> None:
        """One setting from ``source``, as text or as a TOML value."""
        try:
            self.values[name] = _READERS[name](raw)
        except (ValueError, TypeError):
            self.problems.append(f"{source}: {name} must be {_WANTED[name]}, not {str(raw)[:80]!r}")


def load(state: Path, environment: Mapping[str, str], overrides: Mapping[str, object]) -> Settings:
    """The settings. BadSettings with every problem."""
    reading = Reading()
    _read_file(state / FILE, reading)
    for name in _READERS:
        raw = environment.get(PREFIX + name.upper())
        if raw is not None:
            reading.take(PREFIX + name.upper(), name, raw)
    for name, value in overrides.items():
        reading.take(f"--{name.replace('_', '-')}", name, value)
    settings = Settings(state=state, **reading.values)
    problems = (*reading.problems, *_conflicts(settings))
    if problems:
        raise BadSettings(problems)
    return settings


def _read_file(path: Path, reading: Reading) -> None:
    try:
        data = tomllib.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, UnicodeDecodeError) as error:
        reading.problems.append(f"{path} cannot be read: {error}")
        return
    except tomllib.TOMLDecodeError as error:
        reading.problems.append(f"{path} is no TOML: {error}")
        return
    for name, raw in data.items():
        if name in _READERS:
            reading.take(str(path), name, raw)
        else:
            near = get_close_matches(name, list(_READERS), n=1)
            reading.problems.append(
                f"{path}: there is no setting {name!r}" + (f", did you mean {near[0]}?" if near else "")
            )


def _conflicts(settings: Settings) -> list[str]:
    problems: list[str] = []
    if not _is_loopback(settings.web_host) and not settings.web_names:
        problems.append(
            f"web_host must be a loopback address, not {settings.web_host!r}: the people's port is plain HTTP. Where "
            "something before it speaks TLS, say under which host names (web_names)"
        )
    if settings.lease < 2 * settings.heartbeat:
        problems.append(f"lease ({settings.lease:g} s) must be at least twice the heartbeat ({settings.heartbeat:g} s)")
    ports = [port for port in (settings.grpc_port, settings.enrol_port, settings.web_port) if port]
    if len(set(ports)) < len(ports):
        problems.append("grpc_port, enrol_port and web_port must differ")
    return problems


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _port(raw: object) -> int:
    number = int(str(raw))
    if not 0 <= number <= 65535 or isinstance(raw, bool):
        raise ValueError
    return number


def _seconds(raw: object) -> float:
    number = float(str(raw))
    if not 0 < number < 10_000_000:
        raise ValueError
    return number


def _days(raw: object) -> float:
    number = float(str(raw))
    if not 0 <= number < 100_000 or isinstance(raw, bool):
        raise ValueError
    return number


def _mebibytes(raw: object) -> float:
    number = float(str(raw))
    if not 0 <= number <= 1_000_000 or isinstance(raw, bool):
        raise ValueError
    return number


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise TypeError
    return raw


def _level(raw: object) -> str:
    level = _text(raw).lower()
    if level not in {"debug", "info", "warning", "error"}:
        raise ValueError
    return level


def _names(raw: object) -> tuple[str, ...]:
    if isinstance(raw, str):
        return tuple(name.strip() for name in raw.split(",") if name.strip())
    if isinstance(raw, list | tuple):
        return tuple(_text(name) for name in raw)
    raise TypeError


_BY_NAME: Final[Mapping[str, tuple[Callable[[object], Any], str]]] = {
    "names": (_names, "a list of host names"),
    "web_names": (_names, "a list of host names"),
    "log_level": (_level, "debug, info, warning or error"),
    "heartbeat": (_seconds, "seconds"),
    "lease": (_seconds, "seconds"),
    "answer": (_seconds, "seconds"),
    "lost_after": (_seconds, "seconds"),
    "stop_grace": (_seconds, "seconds"),
    "log_limit": (_mebibytes, "MiB, or 0 to keep all that is printed"),
    "keep_days": (_days, "days, or 0 to keep everything"),
}
_READERS: Final[dict[str, Callable[[object], Any]]] = {}
_WANTED: Final[dict[str, str]] = {}
for _field in fields(Settings):
    if _field.name == "state":
        continue
    _default = (_port, "a port from 0 to 65535") if _field.name.endswith("_port") else (_text, "a text")
    _READERS[_field.name], _WANTED[_field.name] = _BY_NAME.get(_field.name, _default)
