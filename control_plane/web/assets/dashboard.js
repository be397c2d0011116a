// What lives on the dashboard: one run's stream of events drawn as it comes. No text ever becomes HTML here.
"use strict";

const MOST_LINES = 5000;

const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

const FINAL = ["passed", "failed", "aborted", "canceled"];
const MOST_CARDS = 500;
const INCOMPLETE = "Not all that was printed was kept (log_limit): the log says where and how much."; // workflow.views has it too

// A part of the page, drawn by the server; nothing of it runs (the page's policy, and DOMParser, see to that).
const part = async (path) => {
  const answer = await fetch(path);
  return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html").body : null;
};

const localTimes = (within) => {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (isNaN(moment)) continue;
    time.title = time.textContent;
    time.textContent = moment.toLocaleString();
  }
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
  let chosen = null, waiting = [], ended = "";

  const name = (step) => step.name || step.id || step.ref;
  const stepOf = (id, ref) => executions.get(id)?.steps.find((one) => one.ref === ref);
  const isWorker = (execution) => execution && execution.place && execution.place.kind !== "workflow";
  const visible = (id, ref) => {  // what the user wrote: the operation itself, or the step around it
    const step = stepOf(id, ref);
    return step && step.hidden && ref.includes(".") ? visible(id, ref.slice(0, ref.lastIndexOf("."))) || step : step;
  };
  const where = (execution) => {
    if (!execution) return "?";
    const place = execution.environment || execution.agent || (execution.orchestrated ? "control plane" : "waiting");
    return isWorker(execution) ? `${place} [${execution.place.index}]` : place;
  };
  const title = (id, ref) => {
    const execution = executions.get(id), step = visible(id, ref);
    if (!step) return ref;
    if (!isWorker(execution) || step.id) return name(step);
    const parent = stepOf(execution.place.parent, execution.place.ref);
    return execution.description || (parent ? name(parent) : name(step));
  };

  const drawStep = (step) => {
    const line = make("li", { className: "depth" + Math.min(step.ref.split(".").length - 1, 5) }, chip(step.status),
      make("span", { textContent: harmless(name(step)) }), make("time", { textContent: took(step.durationMs) }));
    line.dataset.ref = step.ref;
    return line;
  };

  const drawExecution = (execution) => {
    const old = cards.querySelector(`[data-execution="${CSS.escape(execution.id)}"]`);
    if (!old && cards.childElementCount >= MOST_CARDS) return;
    const card = make("article", { tabIndex: 0 },
      make("h3", {}, harmless(where(execution)) + " ", chip(execution.state)),
      make("p", { textContent: harmless(execution.description || execution.name) }), make("p", { className: "reason", textContent: harmless(execution.reason) }),
      ...(execution.logIncomplete ? [make("p", { className: "reason", textContent: INCOMPLETE })] : []),
      make("ol", {}, ...execution.steps.filter((step) => !step.hidden).map(drawStep)));
    card.dataset.execution = execution.id;
    card.dataset.state = execution.state;
    card.classList.toggle("chosen", chosen === execution.id);
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
        make("b", { textContent: harmless(where(execution)) + " " }), make("i", { textContent: harmless(title(id, ref)) + "  " }), line);
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
    document.getElementById("filter").textContent = chosen ? "only " + harmless(where(executions.get(chosen))) : "";
  };

  const fill = async (id, path) => {
    const drawn = await part(path);
    if (drawn) document.getElementById(id).replaceChildren(...drawn.children);
  };

  const run = encodeURIComponent(main.dataset.run);
  const refresh = () => {
    fill("comparison", `/v1/runs/${run}/comparison?format=html`);
    fill("artifacts", `/parts/runs/${run}/artifacts`);
    fill("why", `/parts/runs/${run}/why`);
  };
  let due = null;
  const refreshSoon = () => { due ??= setTimeout(() => { due = null; refresh(); }, 300); };

  const drawRun = (run) => {
    document.getElementById("verdict").replaceChildren(chip(run.verdict));
    document.getElementById("took").textContent = took(run.durationMs);
    if (run.verdict !== "pending") document.getElementById("cancel")?.remove();
  };

  const chooseCard = (event) => {
    const card = event.target.closest("article");
    if (card) choose(card.dataset.execution);
  };
  cards.addEventListener("click", chooseCard);
  cards.addEventListener("keydown", (event) => { if (event.key === "Enter") chooseCard(event); });
  log.addEventListener("wheel", (event) => {  // who scrolls up wants to read
    if (event.deltaY < 0) follow.setAttribute("aria-pressed", "false");
  }, { passive: true });
  document.getElementById("cancel")?.addEventListener("submit", (event) => {
    if (!confirm("End this run in every environment?")) event.preventDefault();
  });
  follow.addEventListener("click", () => {
    follow.setAttribute("aria-pressed", follow.getAttribute("aria-pressed") !== "true");
    if (follow.getAttribute("aria-pressed") === "true") log.scrollTop = log.scrollHeight;
  });

  const events = new EventSource(`/v1/runs/${run}/watch`);
  const lost = document.getElementById("lost");
  events.onopen = () => { lost.hidden = true; };
  events.onerror = () => { lost.hidden = events.readyState === EventSource.CLOSED && FINAL.includes(ended); };
  const on = (name, act) => events.addEventListener(name, (event) => act(JSON.parse(event.data)));
  on("run", (said) => drawRun(said.run));
  on("execution", (said) => {
    executions.set(said.execution.id, said.execution);
    drawExecution(said.execution);
    refreshSoon();
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
    ended = said.run.verdict;
    events.close();
    for (const [key, text] of open) if (text) print(...key.split("/"), "\n");
    drawRun(said.run);
    refresh();
  });
}

function watchRuns() {
  const lost = document.getElementById("lost");
  const refresh = async () => {
    if (document.hidden) return;
    const drawn = await part("/parts/runs").catch(() => null);
    lost.hidden = drawn !== null;
    if (!drawn) return;
    localTimes(drawn);
    for (const table of drawn.querySelectorAll("table[id]")) document.getElementById(table.id)?.replaceWith(table);
  };
  setInterval(refresh, 3000);
  document.addEventListener("visibilitychange", refresh);
}

const main = document.querySelector("main[data-page]");
localTimes(document);
if (main && main.dataset.page === "run") watchRun(main);
if (main && main.dataset.page === "runs") watchRuns();
