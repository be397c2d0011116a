"""No spelling of a secret gets through, whole or cut; and cuts change nothing."""

from __future__ import annotations

import base64
import json
import time
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.masking import MIN_SECRET, STARS, Masker, forms

PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBg+kqhkiG9w0/AQEFAASC\nzz9qKk1Jd0x1c2VyOnBhc3M=\n-----END KEY-----\n"
CORPUS = [
    "hunter2!",
    "p@ss w/ord+&=",
    PEM,
    '{"key": "s3cr3t\\value", "n": 1}',
    "größer als ein Byte",
    "aaaaaaaab",
    "abcabcabd",
    '{"type": "sa", "key": "--BEGIN--\\nabcdefgh12345\\n--END--", "auths": {"r": {"auth": "dXNlcjpwYXNz"}}}',
    "tab\tand\x01control",
]


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


def masked(secrets: list[str], parts: list[bytes]) -> bytes:
    masker = Masker(secrets)
    return b"".join(masker.feed(part) for part in parts) + masker.flush()


@pytest.mark.parametrize("secret", CORPUS)
def test_no_spelling_is_shown_wherever_it_is_cut(secret: str) -> None:
    spelt = [secret.encode(), quote(secret, safe="").encode(), json.dumps(secret).encode()]
    spelt += [base64.b64encode(b"x" * before + secret.encode() + b"tail") for before in range(3)]
    spelt += [line.encode() for line in secret.splitlines()]
    for text in spelt:
        data = b"before " + text + b" after"
        whole = masked([secret], [data])
        assert STARS in whole
        assert not any(form in whole for form in forms(secret))
        assert whole.startswith(b"before ") and whole.endswith(b" after")
        for cut in range(len(data)):
            assert masked([secret], [data[:cut], data[cut:]]) == whole
        assert masked([secret], [bytes([byte]) for byte in data]) == whole


@settings(max_examples=300, deadline=None)
@given(
    secrets=st.lists(st.text(alphabet="ab+/=\n", min_size=0, max_size=9), max_size=4),
    data=st.text(alphabet="ab+/=\n", max_size=80),
    cuts=st.lists(st.integers(0, 1000), max_size=8),
)
def test_cuts_change_nothing(secrets: list[str], data: str, cuts: list[int]) -> None:
    raw = data.encode()
    whole = Masker(secrets).whole(raw)
    assert masked(secrets, [raw]) == whole
    assert masked(secrets, pieces(raw, cuts)) == whole


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 1000), max_size=5))
def test_bytes_without_secrets_pass_as_they_are(data: bytes, cuts: list[int]) -> None:
    assert masked([], pieces(data, cuts)) == data
    assert masked(["\U0010fffd-not-in-here-\U0010fffd"], pieces(data, cuts)) == data


@settings(max_examples=200, deadline=None)
@given(secrets=st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=3), filler=st.binary(max_size=40))
def test_what_is_registered_never_survives(secrets: list[str], filler: bytes) -> None:
    data = filler + filler.join(secret.encode() for secret in secrets) + filler
    result = masked(secrets, [data])
    for secret in secrets:
        for form in forms(secret):
            assert form not in result.replace(STARS, b"\xff\xff")


def test_short_secrets_are_never_registered() -> None:
    assert not forms("abc")
    assert masked(["a", "abc", "x\ny\nz"], [b"abc x y z a"]) == b"abc x y z a"
    assert all(len(form) >= MIN_SECRET for form in forms("abcd\nef\n"))


def test_texts_inside_a_json_secret_are_secrets_too() -> None:
    secret = json.dumps(
        {"kind": "account", "auths": [{"auth": "dXNlcjpwYXNzd29yZA=="}], "key": "BEGIN\nabcdefgh12345\n"}
    )
    assert masked([secret], [b"auth=dXNlcjpwYXNzd29yZA== key: abcdefgh12345"]) == b"auth=***** key: *****"
    assert masked([secret], [b"the account of BEGIN"]) == b"the account of BEGIN"
    assert masked(["[" * 100_000], [b"[[x"]) == b"[[x"


def test_base64_in_rows_is_masked_row_by_row() -> None:
    secret = "".join(chr(33 + 7 * n % 90) for n in range(200))
    for width in (64, 76):
        whole = base64.b64encode(secret.encode())
        rows = [whole[start : start + width] for start in range(0, len(whole), width)]
        assert masked([secret], [b"\n".join(rows)]) == b"\n".join([STARS] * len(rows))
    assert masked([secret], [base64.encodebytes(secret.encode() + b"\n")]).count(STARS) == 4


def test_only_a_possible_beginning_is_held_back() -> None:
    masker = Masker(["password"])
    assert masker.feed(b"the line is here\n") == b"the line is here\n"
    assert masker.feed(b"pass") == b""
    assert masker.feed(b"ing") == b"passing"


def test_many_nested_beginnings_do_not_exhaust_the_pattern() -> None:
    secret = "\n".join("a" * length for length in range(4, 300))
    assert masked([secret], [b"a" * 299 + b"b"]) == STARS + b"b"


@pytest.mark.bench
def test_speed() -> None:
    secrets = [base64.b64encode(bytes([n] * 20)).decode() for n in range(10)]
    data = (b"2026-01-01 INFO line of a log with some words in it, as they are\n" * 20_000)[: 1 << 20]
    masker = Masker(secrets)
    started = time.perf_counter()
    for _ in range(20):
        masker.feed(data)
    print(f"\nmasking: {20 / (time.perf_counter() - started):.0f} MB/s with {len(secrets)} secrets")  # noqa: T201
