"""``--config K=@FILE``: values that stand on no command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.muster.cli.conftest import Prepared, Prompt
from workflow.views import NewRun


def given(played: Prepared) -> dict[str, object]:
    heard = played.heard[-1]
    assert isinstance(heard, tuple)
    new = heard[1]
    assert isinstance(new, NewRun)
    return dict(new.config)


async def test_values_from_a_file_and_from_standard_input(muster: Prompt, played: Prepared, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p=ss\nword\n")
    words = ("--config", "a=@@plain", "--config", f"b=@{tmp_path}/password", "--config", "c=@-", "--config", "d=x@y")
    done = await muster("run", "every", "-d", *words, given="from stdin\r\n")
    assert done.exit_code == 0
    assert given(played) == {"a": "@plain", "b": "p=ss\nword", "c": "from stdin", "d": "x@y"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("every", "--config", "a=@-", "--config", "b=@-"), "once only"),
        (("-", "--config", "a=@-"), "once only"),
        (("every", "--config", "a=@"), "K=@FILE"),
        (("every", "--config", "a=@/nowhere/at/all"), "cannot be read"),
    ],
)
async def test_what_cannot_be_read(muster: Prompt, played: Prepared, words: tuple[str, ...], said: str) -> None:
    done = await muster("run", *words, given="x")
    assert (done.exit_code, played.heard) == (2, [])
    assert said in done.stderr


async def test_the_same_offline(muster: Prompt, tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(
        "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata: {name: w}\n"
        "spec: {config: {a: {type: string}}, steps: [{shell: 'echo {{ config.a }}'}]}\n"
    )
    done = await muster("resolve", str(tmp_path / "w.yaml"), "--config", "a=@-", given="hello\n")
    assert "echo hello" in done.stdout
