"""Sensitive parameters: they reach whoever names them, and the store never sees them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from control_plane.adapters.memory import MemoryVault
from control_plane.ports.store import Unit
from control_plane.services.entrusted import BadValues, checked, for_plan, handed_down, sealed, unsealed
from tests.control_plane.services.world import ME, Agent, Conduct, World, world
from workflow.entrusted import MAX_VALUES, SECRET_NAME
from workflow.expressions import ExpressionError
from workflow.identifiers import Instant, RunId, StepRef
from workflow.journal import AttemptStarted, ChildKind, ChildrenWanted, ChildSpec, StepStarted
from workflow.plan.encode import from_bytes
from workflow.problems import InvalidDocument
from workflow.session import Assign
from workflow.states import ExecutionState, Verdict
from workflow.views import NewRun

VALUE = "correct-horse-battery"
AT = Instant(7)
HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\n"
LOGIN = f"""{HEAD}
metadata: {{name: login}}
spec:
  config:
    password: {{type: string, sensitive: true, minLength: 3}}
    other: {{type: string, sensitive: true, default: unnamed-value}}
  steps:
    - {{name: Log in, shell: "login {{{{ config.password }}}}"}}
    - name: Twice
      parallel:
        count: 2
        shell: "again {{{{ config.password }}}}"
    - name: Plain
      parallel: {{count: 1, shell: "true"}}
"""
CHILD = f"""{HEAD}
metadata: {{name: child}}
spec:
  config: {{token: {{type: string, pattern: "^Bearer "}}, plain: {{type: string, default: ""}}}}
  steps: [{{shell: "use {{{{ config.token }}}} {{{{ config.plain }}}}"}}]
"""
PARENT = f"""{HEAD}
metadata: {{name: parent}}
spec:
  config: {{password: {{type: string, sensitive: true}}}}
  steps:
    - execute:
        workflows:
          - name: child
            matrix: {{n: [1]}}
            config: {{token: "Bearer {{{{ config.password }}}}", plain: "{{{{ matrix.n }}}}"}}
"""


async def submit(w: World, document: str, **config: JsonValue) -> RunId:
    """A run of the document."""
    return await w.house.submission.submit(NewRun(document=document, config=dict(config)), ME)


async def everything(w: World) -> str:
    """All that the store holds, in words."""

    def work(unit: Unit) -> str:
        rows = [row for run in unit.runs.latest(100) for row in unit.executions.of_run(run.id)]
        words = [repr(run) for run in unit.runs.latest(100)]
        for row in rows:
            words += [repr(row), repr(unit.executions.plan(row.id)), repr(unit.entries.of(row.id))]
            words += [repr(unit.entries.events(row.id))]
        return "\n".join(words)

    return await w.store.read(work)


async def offered(agent: Agent) -> Assign:
    """What the agent is offered next."""
    message = await agent.heard()
    assert isinstance(message, Assign)
    return message


async def test_a_value_comes_with_the_offer_and_stands_nowhere() -> None:
    async with world().running() as w:
        agent = await w.agent("dev")
        await submit(w, LOGIN, password=VALUE)
        offer = await offered(agent)
        assert offer.secrets == {"password": VALUE}
        assert VALUE not in repr(offer)
        assert VALUE.encode() not in offer.bundle.plan
        assert f'secret(\\"{SECRET_NAME}\\",\\"password\\")'.encode() in offer.bundle.plan
        assert VALUE not in await everything(w)


async def test_a_value_outlives_a_restart_and_comes_with_a_repeated_offer() -> None:
    before = world()
    async with before.running() as w:
        agent = await w.agent("dev")
        await submit(w, LOGIN, password=VALUE)
        assert (await offered(agent)).secrets == {"password": VALUE}
    async with before.restarted().running() as w:
        again = Agent(w, "dev", 10)
        await again.connect()
        assert (await offered(again)).secrets == {"password": VALUE}


async def test_workers_get_what_their_own_plans_name() -> None:
    async with world().running() as w:
        agent = await w.agent("dev")
        await submit(w, LOGIN, password=VALUE)
        parent = await agent.assigned()
        await parent.start()
        for ref in ("2", "3"):
            await parent.write(StepStarted(AT, StepRef(ref)))
            wanted = ChildrenWanted(AT, StepRef(ref), (ChildSpec(ChildKind.WORKER, 0),))
            await parent.write(wanted)
            expected = {"password": VALUE} if ref == "2" else {}
            assert (await offered(agent)).secrets == expected
        assert VALUE not in await everything(w)


async def test_executed_workflows_get_what_is_made_of_a_value_and_keep_it_secret_too() -> None:
    async with world().running() as w:
        await w.house.catalog.apply(CHILD, "child.yaml")
        agent = await w.agent("dev")
        run = await submit(w, PARENT, password=VALUE)
        offer = await offered(agent)
        assert offer.secrets == {"token": f"Bearer {VALUE}"}
        assert from_bytes(offer.bundle.plan).workflow == "child"
        assert VALUE not in await everything(w)
        await Conduct(agent, offer.bundle).run()
        assert (await w.ended(run)).verdict is Verdict.PASSED


async def test_a_replicated_child_hands_the_value_on() -> None:
    async with world().running() as w:
        await w.house.catalog.apply(CHILD, "child.yaml")
        agents = [await w.agent(name, environment=name) for name in ("dev", "prod")]
        document = PARENT.replace("- name: child", "- name: child\n            target: {replicate: [environment]}")
        await submit(w, document, password=VALUE)
        for agent in agents:
            assert (await offered(agent)).secrets == {"token": f"Bearer {VALUE}"}
        assert VALUE not in await everything(w)


async def test_a_child_that_refuses_a_value_does_not_tell_it() -> None:
    async with world().running() as w:
        await w.house.catalog.apply(CHILD, "child.yaml")
        await w.agent("dev")
        run = await submit(w, PARENT.replace("Bearer {{ config", "{{ config"), password=VALUE)
        assert (await w.ended(run)).verdict is not Verdict.PASSED
        child = (await w.of(run))[-1]
        assert "must match ^Bearer" in child.reason
        assert VALUE not in await everything(w)


async def test_what_asks_values_in_conditions_is_conducted_by_an_agent() -> None:
    async with world().running() as w:
        await w.house.catalog.apply(CHILD, "child.yaml")
        agent = await w.agent("dev")
        await submit(
            w, PARENT.replace("- execute:", "- condition: config.password == 'x'\n      execute:"), password=VALUE
        )
        assert (await offered(agent)).secrets == {"password": VALUE}
        assert VALUE not in await everything(w)


async def test_a_refused_submission_does_not_tell_the_value() -> None:
    async with world().running() as w:
        document = LOGIN.replace("type: string, sensitive: true, minLength: 3", "type: integer, sensitive: true")
        with pytest.raises(InvalidDocument) as refused:
            await submit(w, document, password=VALUE)
        assert "must be an integer" in str(refused.value.problems)
        assert VALUE not in str(refused.value.problems)


async def test_values_that_cannot_travel_are_refused() -> None:
    async with world().running() as w:
        with pytest.raises(ValueError, match="are the most"):
            await submit(w, LOGIN, password="x" * MAX_VALUES)
        with pytest.raises(ValueError, match="is no text"):
            await submit(w, LOGIN, password="abc\ud800")


async def test_a_lost_key_is_told_and_nothing_runs_without_its_values() -> None:
    async with world().running() as w:
        run = await submit(w, LOGIN, password=VALUE)
        w.vault.forget()
        await w.agent("dev")
        assert (await w.ended(run)).verdict is not Verdict.PASSED
        (row,) = await w.of(run)
        assert row.state is ExecutionState.ABORTED
        assert "sensitive parameters cannot be read" in row.reason


async def test_a_child_of_a_parent_whose_key_was_lost_says_so() -> None:
    async with world().running() as w:
        agent = await w.agent("dev")
        await submit(w, LOGIN, password=VALUE)
        parent = await agent.assigned()
        await parent.write(AttemptStarted(AT), StepStarted(AT, StepRef("2")))
        w.vault.forget()
        await parent.write(ChildrenWanted(AT, StepRef("2"), (ChildSpec(ChildKind.WORKER, 0),)))
        children = await w.store.read(lambda unit: unit.executions.children(parent.attempt.execution))
        assert [row.state for row in children] == [ExecutionState.ABORTED]
        assert "cannot be read" in children[0].reason


# --- the parts ---------------------------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8"), max_size=40)
keys = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,10}(\.[2-9])?", fullmatch=True)


@given(st.dictionaries(keys, texts), st.sets(keys))
def test_a_plan_gets_what_it_names(values: dict[str, str], more: set[str]) -> None:
    vault = MemoryVault()
    wanted = {*list(values)[::2], *more}
    plan = json.dumps([f'{{{{ secret("{SECRET_NAME}","{key}") }}}}' for key in sorted(wanted)]).encode()
    assert unsealed(vault, for_plan(vault, plan, values)) == {k: v for k, v in values.items() if k in wanted}


@given(st.dictionaries(keys, texts))
def test_sealed_values_open_again(values: dict[str, str]) -> None:
    vault = MemoryVault()
    assert unsealed(vault, sealed(vault, checked(values))) == values
    assert (sealed(vault, values) == b"") is (not values)


@given(texts)
def test_a_handed_down_value_is_never_read_as_a_template(value: str) -> None:
    given_on = handed_down({"a": f'<{{{{ secret("{SECRET_NAME}","k") }}}}>'}, {"k": value})
    assert given_on.values == {"a": f"<{value}>"}


def test_secrets_of_a_cluster_are_handed_down_as_references() -> None:
    text = '{{ secret("api","token") }}'
    assert handed_down({"a": text}, {}).templates == {"a": text}


@pytest.mark.parametrize(
    "text",
    [
        f'{{{{ secret("{SECRET_NAME}","k") }}}} {{{{ secret("api","token") }}}}',
        f'{{{{ int(secret("{SECRET_NAME}","k")) }}}}',
    ],
)
def test_what_cannot_be_made_of_values_is_told_without_them(text: str) -> None:
    with pytest.raises((BadValues, ExpressionError)) as refused:
        handed_down({"a": text}, {"k": VALUE})
    assert VALUE not in str(refused.value)
