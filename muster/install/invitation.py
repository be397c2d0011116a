"""Join strings: where they lead, and leading them elsewhere. Pure; called by ``installing``.

A join string is ``mj1.`` and base64url of JSON {server, enrol, pin, token}, as certs/README.md says. What the control
plane calls itself may be no address inside of a cluster, which only the person who installs there can know.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from muster.install.problems import INVALID, InstallProblem

PREFIX: Final = "mj1."
LONGEST: Final = 4096
"""Characters of a join string at the most."""


@dataclass(frozen=True, slots=True)
class Place:
    """host:port, an IPv6 host in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def own(self) -> bool:
        """Whether this is whoever asks: loopback."""
        bare = self.host.strip("[]")
        try:
            return bare == "localhost" or ip_address(bare).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a join string says."""

    server: Place
    enrol: Place
    rest: dict[str, str] = field(repr=False)

    def join(self) -> str:
        """As a join string."""
        content = {"server": str(self.server), "enrol": f"https://{self.enrol}", **self.rest}
        encoded = base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode())
        return PREFIX + encoded.rstrip(b"=").decode()


def read(text: str) -> Invitation:
    """InstallProblem, which shows nothing of it."""
    text = text.strip()
    try:
        if not text.startswith(PREFIX) or len(text) > LONGEST:
            raise ValueError
        encoded = text.removeprefix(PREFIX)
        content = json.loads(base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True))
        server, enrol = str(content.pop("server")), str(content.pop("enrol"))
        if not (isinstance(content.get("pin"), str) and isinstance(content.get("token"), str)):
            raise ValueError
        return Invitation(place(server, 0), place(enrol.removeprefix("https://"), 0), content)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError, InstallProblem):
        raise InstallProblem(
            "this is no join string, or not all of it", "`muster agents create NAME` prints one", INVALID
        ) from None


def place(text: str, port: int) -> Place:
    """``host`` or ``host:port``; ``port`` where none is written. InstallProblem."""
    host, colon, number = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, number = text, str(port)
    bare = host.strip("[]")
    if not bare or not number.isdecimal() or int(number) > 65535 or not all(c.isalnum() or c in ".-:" for c in bare):
        raise InstallProblem(f"{text!r} is no address: write HOST or HOST:PORT", code=INVALID)
    return Place(f"[{bare}]" if ":" in bare else bare, int(number))


def led(text: str, server: str | None, enrol: str | None) -> str:
    """The join string as an agent in a cluster is to have it: with the addresses that are named; else those it has,
    which must be none of the pod's own. InstallProblem."""
    said = read(text)
    to = place(server, said.server.port) if server else said.server
    joining = place(enrol, said.enrol.port) if enrol else Place(to.host if server else said.enrol.host, said.enrol.port)
    for each in (to, joining):
        if each.own:
            raise InstallProblem(
                f"the control plane calls itself {each}, and in a pod that is the pod itself",
                "name the address that pods reach it by: --control-plane HOST[:PORT] (it must listen there: grpc_host, "
                "enrol_host; and have the name in its certificate: names)",
                INVALID,
            )
    return Invitation(to, joining, said.rest).join()
