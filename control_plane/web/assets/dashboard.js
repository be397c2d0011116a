// What lives on the dashboard: one run's stream of events drawn as it comes. No text ever becomes HTML here.
"use strict";

const MOST_LINES = 5000;

const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

const chip = (status) => make("span", { className: "chip " + status, textContent: status });

const took = (ms) => {
  if (ms === null || ms === undefined) return "";
  if (ms < 1000) return ms.toFixed(0) + " ms";
  const s = ms / 1000;
  return s < 60 ? s.toFixed(1) + " s" : Math.floor(s / 60) + " m " + String(Math.floor(s % 60)).padStart(2, "0") + " s";
};

// Escape sequences and characters that hide or reorder text, as workflow/terminal.py treats them.
const SEQUENCE = /\x1b\[[0-?]{0,256}[ -\/]{0,16}[@-~]|\x1b[\]PX^_][^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c|(?=\n))|\x1b[ -\/]{0,16}[0-OQ-WYZ\\`-~]/g;
const UNFINISHED = /\x1b(?:[ -\/]{0,16}|\[[0-?]{0,256}[ -\/]{0,16}|[\]PX^_][^\x07\x1b\x9c\n]{0,4096}\x1b?)$/;
const OTHERS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]/g;
const harmless = (text) => text.replace(SEQUENCE, "").replace(/\r\n|\r|\u2028|\u2029/g, "\n").replace(OTHERS, "\ufffd");

function watchRun(main) {
  const executions = new Map();   // id -> view
  const heard = new Map();        // id -> [attempt, seq] of the last line
  const open = new Map();         // id/ref/stream -> text of the line that is not complete
  const log = document.getElementById("log");
  const follow = document.getElementById("follow");
  const cards = document.getElementById("executions");
  let chosen = null, waiting = [];

  const title = (execution, ref) => {
    const step = execution && execution.steps.find((one) => one.ref === ref);
    return step ? step.name || step.id || step.ref : ref;
  };
  const where = (execution) => execution ? execution.environment || execution.agent || execution.name : "?";

  const drawStep = (step) => {
    const line = make("li", { className: "depth" + Math.min(step.ref.split(".").length - 1, 5) }, chip(step.status),
      make("span", { textContent: harmless(step.name || step.id || step.ref) }), make("time", { textContent: took(step.durationMs) }));
    line.dataset.ref = step.ref;
    return line;
  };

  const drawExecution = (execution) => {
    const card = make("article", {},
      make("h3", {}, harmless(where(execution) || "waiting") + " ", chip(execution.state)),
      make("p", { textContent: harmless(execution.name) }), make("p", { className: "reason", textContent: harmless(execution.reason) }),
      make("ol", {}, ...execution.steps.filter((step) => !step.hidden).map(drawStep)));
    card.dataset.execution = execution.id;
    card.classList.toggle("chosen", chosen === execution.id);
    const old = cards.querySelector(`[data-execution="${CSS.escape(execution.id)}"]`);
    old ? old.replaceWith(card) : cards.append(card);
  };

  const print = (execution, ref, stream, text) => {
    const key = [execution, ref, stream].join("/");
    const whole = (open.get(key) || "") + text;
    const cut = whole.search(UNFINISHED);
    const lines = harmless(cut < 0 ? whole : whole.slice(0, cut)).split("\n");
    open.set(key, (lines.pop() + (cut < 0 ? "" : whole.slice(cut))).slice(-65536));
    for (const line of lines) waiting.push([execution, ref, stream, line]);
    if (waiting.length === lines.length) requestAnimationFrame(flush);
  };

  const flush = () => {
    const batch = waiting.slice(-MOST_LINES);
    waiting = [];
    const lines = document.createDocumentFragment();
    for (const [id, ref, stream, line] of batch) {
      const execution = executions.get(id);
      const row = make("div", { className: stream, hidden: chosen !== null && chosen !== id },
        make("b", { textContent: harmless(where(execution)) + " " + harmless(title(execution, ref)) + "  " }), line);
      row.dataset.of = id;
      lines.append(row);
    }
    log.append(lines);
    while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
    if (follow.getAttribute("aria-pressed") === "true") log.scrollTop = log.scrollHeight;
  };

  const choose = (id) => {
    chosen = chosen === id ? null : id;
    for (const card of cards.children) card.classList.toggle("chosen", card.dataset.execution === chosen);
    for (const row of log.children) row.hidden = chosen !== null && row.dataset.of !== chosen;
    document.getElementById("filter").textContent = chosen ? "of " + where(executions.get(chosen)) : "";
  };

  const fill = async (id, path) => {
    const answer = await fetch(path);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.getElementById(id).replaceChildren(...page.body.children);
  };

  const refresh = () => {
    const run = encodeURIComponent(main.dataset.run);
    fill("comparison", `/v1/runs/${run}/comparison?format=html`);
    fill("artifacts", `/parts/runs/${run}/artifacts`);
  };

  const drawRun = (run) => {
    document.getElementById("verdict").replaceChildren(chip(run.verdict));
    document.getElementById("took").textContent = took(run.durationMs);
    if (run.verdict !== "pending") document.getElementById("cancel")?.remove();
  };

  cards.addEventListener("click", (event) => {
    const card = event.target.closest("article");
    if (card) choose(card.dataset.execution);
  });
  follow.addEventListener("click", () => {
    follow.setAttribute("aria-pressed", follow.getAttribute("aria-pressed") !== "true");
  });

  const events = new EventSource(`/v1/runs/${encodeURIComponent(main.dataset.run)}/watch`);
  const on = (name, act) => events.addEventListener(name, (event) => act(JSON.parse(event.data)));
  on("run", (said) => drawRun(said.run));
  on("execution", (said) => {
    executions.set(said.execution.id, said.execution);
    drawExecution(said.execution);
    if (["passed", "failed", "aborted", "canceled"].includes(said.execution.state)) refresh();
  });
  on("step", (said) => {
    const execution = executions.get(said.execution);
    if (!execution) return;
    execution.steps = execution.steps.map((step) => (step.ref === said.step.ref ? said.step : step));
    const line = cards.querySelector(`[data-execution="${CSS.escape(said.execution)}"] [data-ref="${CSS.escape(said.step.ref)}"]`);
    if (line) line.replaceWith(drawStep(said.step));
  });
  on("log", ({ log: said }) => {
    const place = said.position.split("~")[0].split(".").map(Number);
    const last = heard.get(said.execution) || [0, 0];
    if (place[0] < last[0] || (place[0] === last[0] && place[1] <= last[1])) return;  // said again after a break
    heard.set(said.execution, place);
    print(said.execution, said.ref, said.stream, said.text);
  });
  on("end", (said) => {
    events.close();
    for (const [key, text] of open) if (text) print(...key.split("/"), "\n");
    drawRun(said.run);
    refresh();
  });
}

function watchRuns() {
  const refresh = async () => {
    if (document.hidden) return;
    const answer = await fetch("/parts/runs");
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const table = page.getElementById("runs");
    if (table) document.getElementById("runs").replaceWith(table);
  };
  setInterval(refresh, 3000);
  document.addEventListener("visibilitychange", refresh);
}

const main = document.querySelector("main[data-page]");
if (main && main.dataset.page === "run") watchRun(main);
if (main && main.dataset.page === "runs") watchRuns();
