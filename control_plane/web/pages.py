"""The dashboard's pages as HTML. Pure: values in, text out; everything that anybody named is neutralised and escaped.

Used by control_plane.web.dashboard. The pages hold no script and no style of their own (the content policy forbids it);
what lives is done by assets/dashboard.js on the stream of events.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final
from urllib.parse import quote

from workflow.rendering import duration
from workflow.states import Verdict
from workflow.terminal import one_line
from workflow.views import LOG_INCOMPLETE, AgentView, ArtifactView, ExecutionView, RunView

MOST_CARDS: Final = 500
"""Executions that a run's page shows at once."""


def login_page(error: str = "") -> str:
    """The form that takes the token."""
    complaint = f'<p class="bad">{_text(error)}</p>' if error else ""
    return _page(
        "Log in",
        f'<main class="login"><h1>Muster</h1>{complaint}<form method="post" action="/login">'
        '<input type="text" name="user" value="muster" autocomplete="username" hidden>'
        '<label>Token <input type="password" name="token" autofocus autocomplete="current-password" required></label>'
        '<button class="main">Log in</button></form>'
        "<p>The token is in the file <code>token</code> of the control plane's state directory; <code>muster up</code> "
        "says where.</p></main>",
        nav=False,
    )


def runs_page(runs: Sequence[RunView], agents: Sequence[AgentView]) -> str:
    """The newest runs, and the agents."""
    return _page(
        "Runs",
        f'<main data-page="runs"><h1>Runs</h1>{runs_table(runs)}<h1>Agents</h1>{agents_table(agents)}</main>',
    )


def runs_table(runs: Sequence[RunView]) -> str:
    """The list alone."""
    rows = "".join(
        f'<tr><td><a href="/runs/{_part(run.name)}">{_text(run.name)}</a></td><td>{_chip(run.verdict.value)}</td>'
        f"<td>{_text(', '.join(run.environments))}</td><td>{_time(run.created_at)}</td>"
        f"<td>{_text(duration(run.duration_ms))}</td></tr>"
        for run in runs
    )
    empty = '<tr><td colspan="5">No run yet. Start one: <code>muster run FILE</code></td></tr>'
    head = _head("Run", "Verdict", "Environments", "Started", "Took")
    return f'<table id="runs">{head}<tbody>{rows or empty}</tbody></table>'


def run_page(run: RunView, why: Sequence[str], comparison: str, artifacts: Sequence[ArtifactView]) -> str:
    """One run. ``why`` are the sentences of its explanation, ``comparison`` is HTML as workflow.rendering made it."""
    cancel = (
        f'<form method="post" action="/runs/{_part(run.id)}/cancel" id="cancel"><button>Cancel</button></form>'
        if run.verdict is Verdict.PENDING
        else ""
    )
    return _page(
        run.name,
        f'<main data-page="run" data-run="{_text(run.id)}"><header class="run"><h1>{_text(run.name)}</h1>'
        f'<span id="verdict">{_chip(run.verdict.value)}</span><span id="took">{_text(duration(run.duration_ms))}</span>'
        f'{cancel}</header><section id="why">{why_list(why)}</section>'
        f'<section id="executions" aria-label="Executions">{_cards(run.executions)}</section>'
        f'<h2>Comparison</h2><section id="comparison">{comparison}</section>'
        '<h2>Log <button id="follow" aria-pressed="true">follow</button> <span id="filter"></span></h2>'
        '<pre id="log" tabindex="0"></pre><h2>Artifacts</h2>'
        f'<section id="artifacts">{artifact_list(artifacts)}</section></main>',
    )


def why_list(sentences: Sequence[str]) -> str:
    """Why a run waits, or ended so."""
    return "".join(f"<p>{_text(sentence)}</p>" for sentence in sentences)


def artifact_list(artifacts: Sequence[ArtifactView]) -> str:
    """Links that download."""
    rows = "".join(
        f'<tr><td>{_text(one.where)}</td><td><a href="{_path(one)}">{_text(one.name)}</a></td>'
        f"<td>{one.size:,} bytes</td></tr>"
        for one in artifacts
    )
    return f"<table>{_head('Where', 'Name', 'Size')}<tbody>{rows}</tbody></table>" if rows else "<p>None.</p>"


def _path(artifact: ArtifactView) -> str:
    return f"/v1/executions/{_part(artifact.execution)}/artifacts/{quote(artifact.name, safe='/')}"


def message_page(title: str, sentence: str) -> str:
    """A page that says one thing."""
    return _page(title, f"<main><h1>{_text(title)}</h1><p>{_text(sentence)}</p></main>")


def _cards(executions: Sequence[ExecutionView]) -> str:
    return "".join(_card(one) for one in executions[:MOST_CARDS])


def _card(execution: ExecutionView) -> str:
    """One execution; the script builds the same from events."""
    number = f" [{execution.place.index}]" if execution.place and execution.place.kind != "workflow" else ""
    steps = "".join(
        f'<li data-ref="{_text(step.ref)}" class="depth{min(step.depth, 5)}">{_chip(step.status.value)}'
        f"<span>{_text(step.title)}</span><time>{_text(duration(step.duration_ms))}</time></li>"
        for step in execution.steps
        if not step.hidden
    )
    missing = f'<p class="reason">{LOG_INCOMPLETE}</p>' if execution.log_incomplete else ""
    return (
        f'<article data-execution="{_text(execution.id)}" data-state="{execution.state.value}" tabindex="0">'
        f"<h3>{_text((execution.where or 'waiting') + number)} {_chip(execution.state.value)}</h3>"
        f"<p>{_text(execution.description or execution.name)}</p>"
        f'<p class="reason">{_text(execution.reason)}</p>{missing}<ol>{steps}</ol></article>'
    )


def _presence(agent: AgentView) -> str:
    return ("connected" if agent.connected else "away") if agent.state == "active" else agent.state


def agents_table(agents: Sequence[AgentView]) -> str:
    """The agents alone."""
    rows = "".join(
        f"<tr><td>{_text(one.name)}</td><td>{_chip(_presence(one))}</td>"
        f"<td>{_text(', '.join(f'{key}={value}' for key, value in one.labels.items()))}</td><td>{one.load}</td></tr>"
        for one in agents
    )
    empty = '<tr><td colspan="4">No agent yet: <code>muster agents create NAME --label environment=dev</code></td></tr>'
    return f'<table id="agents">{_head("Agent", "State", "Labels", "Running")}<tbody>{rows or empty}</tbody></table>'


def _page(title: str, body: str, *, nav: bool = True) -> str:
    bar = (
        '<nav><a href="/">Muster</a><span id="lost" hidden>The control plane does not answer; trying again.</span>'
        '<form method="post" action="/logout"><button>Log out</button></form></nav>'
        if nav
        else ""
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)} - Muster</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/assets/dashboard.css">'
        f'<script src="/assets/dashboard.js" defer></script></head><body>{bar}{body}</body></html>'
    )


def _head(*names: str) -> str:
    return f"<thead><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr></thead>"


def _chip(status: str) -> str:
    return f'<span class="chip {_text(status)}">{_text(status)}</span>'


def _time(moment: datetime | None) -> str:
    return f'<time datetime="{moment.isoformat()}">{moment:%Y-%m-%d %H:%M:%S} UTC</time>' if moment else ""


def _text(text: str) -> str:
    return escape(one_line(text, 500))


def _part(text: str) -> str:
    return quote(text, safe="")
