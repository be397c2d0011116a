"""Join strings, led to where pods find the control plane; and that they are those of the agent's own reader."""

from __future__ import annotations

import pytest

from agent.link.join import parse
from muster.install.invitation import Invitation, led, place, read
from muster.install.problems import INVALID, InstallProblem

PIN, TOKEN = "sha256:" + "a" * 64, "t" * 40


def join(server: str, enrol: str) -> str:
    return Invitation(place(server, 0), place(enrol, 0), {"pin": PIN, "token": TOKEN}).join()


@pytest.mark.parametrize(
    ("server", "enrol", "control", "enrolment", "reached", "joined"),
    [
        ("cp.example:7443", "cp.example:7444", None, None, "cp.example:7443", "https://cp.example:7444"),
        ("127.0.0.1:7443", "127.0.0.1:7444", "10.0.0.7", None, "10.0.0.7:7443", "https://10.0.0.7:7444"),
        ("localhost:7443", "localhost:7444", "cp:443", "cp:8443", "cp:443", "https://cp:8443"),
        ("a:1", "b:2", "c:3", None, "c:3", "https://c:2"),
        ("a:1", "b:2", None, "d", "a:1", "https://d:2"),
        ("[::1]:1", "[::1]:2", "[fd00::7]", None, "[fd00::7]:1", "https://[fd00::7]:2"),
    ],
)
def test_where_it_leads(
    server: str, enrol: str, control: str | None, enrolment: str | None, reached: str, joined: str
) -> None:
    found = parse(led(join(server, enrol), control, enrolment))
    assert (found.server, found.enrol, found.pin, found.token) == (reached, joined, PIN, TOKEN)


@pytest.mark.parametrize("own", ["127.0.0.1:7443", "localhost:7443", "[::1]:7443", "127.8.8.8:7443"])
def test_what_a_pod_would_take_for_itself_is_refused(own: str) -> None:
    with pytest.raises(InstallProblem, match="in a pod that is the pod itself") as refused:
        led(join(own, "cp:1"), None, None)
    assert refused.value.code == INVALID
    with pytest.raises(InstallProblem, match="pod itself"):
        led(join("cp:1", own), None, None)


@pytest.mark.parametrize(
    "text", ["", "mj1.", "mj2.e30", "mj1.e30", "mj1.W10", "mj1.*", "x" * 5000, "mj1." + "e" * 5000]
)
def test_what_is_no_join_string(text: str) -> None:
    with pytest.raises(InstallProblem, match="no join string"):
        read(text)


@pytest.mark.parametrize("text", ["", ":1", "a b", "a:b", "a:70000", "http://a"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InstallProblem, match="is no address"):
        place(text, 1)


def test_the_token_is_shown_by_no_error_and_no_text() -> None:
    assert TOKEN not in repr(read(join("a:1", "b:2")))
    with pytest.raises(InstallProblem) as refused:
        led(join("127.0.0.1:1", "b:2"), None, None)
    assert TOKEN not in str(refused.value)
