"use strict";
// Shows /status.json, fetched once a second while the page is visible. Texts are set as text, never as HTML.
const ASK_MS = 1000, MOST_POINTS = 180, MOST_PROBLEMS = 8, MOST_ROWS = 500;
const $ = (id) => document.getElementById(id);
let config = null, failures = 0, last = null;
const points = [];

const number = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 }));
const many = (count, one, more = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
const whole = (value) => value.toLocaleString("en");
function latency(s) {
  if (s === null || s === undefined) return "–";
  return s < 1 ? `${(s * 1000).toFixed(s < 0.01 ? 1 : 0)} ms` : `${s.toFixed(s < 10 ? 1 : 0)} s`;
}
function span(s) {
  if (s === null) return "–";
  if (s < 60) return `${Math.max(0, Math.floor(s))} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return s < 172800 ? `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min` : `${Math.floor(s / 86400)} days`;
}
const ago = (at, now) => (at === null ? "" : `for ${span(now - at)}`);
const since = (at, now) => (at === null ? "" : `${span(now - at)} ago`);
const clock = (at) => new Date(at * 1000).toISOString().replace("T", " ").slice(0, 16) + " UTC";

function set(node, text, className) {
  if (node.textContent !== text) node.textContent = text;
  if (className !== undefined && node.className !== className) node.className = className;
}

// Rows are kept and only changed: nothing jumps, and what is focused or selected stays so.
function fill(body, rows, columns) {
  const known = new Map([...body.children].map((row) => [row.dataset.key, row]));
  rows.slice(0, MOST_ROWS).forEach(({ key, cells }, place) => {
    let row = known.get(key);
    known.delete(key);
    if (!row) {
      row = document.createElement("tr");
      row.dataset.key = key;
      cells.forEach((_, i) => {
        const cell = document.createElement(i ? "td" : "th");
        if (i) cell.dataset.name = columns[i]; else cell.scope = "row";
        cell.append(document.createElement("span"));
        row.append(cell);
      });
    }
    cells.forEach((cell, i) => {
      const [text, tone] = Array.isArray(cell) ? cell : [cell, ""];
      set(row.children[i].firstChild, String(text), tone);
    });
    if (body.children[place] !== row) body.insertBefore(row, body.children[place] || null);
  });
  for (const row of known.values()) row.remove();
}
function table(id, rows) {
  const heads = [...$(id).closest("table").querySelectorAll("thead th")];
  fill($(id), rows, heads.map((head) => head.textContent));
  for (const row of $(id).children) heads.forEach((head, i) => row.children[i].classList.toggle("n", head.classList.contains("n")));
}

const said = (a) => (a.state === "trial" ? "on trial" : a.state !== "up" ? a.state : a.is_out ? "failing" : a.failures ? "failed last" : "up");
const TONES = { up: "good", "failed last": "warn", "on trial": "warn", failing: "bad", ejected: "bad", down: "bad", unresolved: "bad" };
function upstreams(found) {
  const box = $("upstreams");
  for (const [name, u] of Object.entries(found.upstreams)) {
    let part = [...box.children].find((child) => child.dataset.name === name);
    if (!part) {
      part = document.createElement("div");
      part.className = "upstream"; part.dataset.name = name;
      const heading = document.createElement("h3"), about = document.createElement("p"), grid = document.createElement("table");
      heading.textContent = name; about.className = "note"; grid.className = "stacked origins";
      const head = grid.createTHead().insertRow();
      for (const [text, n] of [["origin"], ["state"], ["cause"], ["req/s", 1], ["failed/s", 1], ["active", 1], ["idle", 1], ["attempts", 1]]) {
        const th = document.createElement("th");
        th.scope = "col"; th.textContent = text; if (n) th.className = "n";
        head.append(th);
      }
      grid.setAttribute("aria-label", `Addresses of ${name}`);
      grid.append(document.createElement("tbody"));
      part.append(heading, about, grid);
      box.append(part);
    }
    const retries = Object.entries(u.retries).map(([reason, count]) => `${whole(count)} after ${reason.replaceAll("_", " ")}`).join(", ");
    const limit = u.max_connections ? `up to ${u.max_connections} connections per origin; ${many(u.requests_waiting, "request")} waiting, up to ${u.queue}` : "";
    set(part.children[1], [u.balance, u.health_check ? `checked: ${u.health_check}` : "", limit, retries ? `retries: ${retries}` : ""].filter(Boolean).join(" · "));
    const rows = (u.addresses.length ? u.addresses : []).map((a) => {
      const o = u.origins[a.origin] || { connections: { idle: 0, active: 0 }, attempts: 0, attempts_per_s: null, failed_per_s: null };
      const alone = u.addresses.filter((other) => other.origin === a.origin).length === 1;
      const where = a.address && !a.origin.includes(a.address) ? `${a.origin} (${a.address})` : a.origin;
      const of = (value) => (alone ? value : value + " *");
      return { key: `${a.origin} ${a.address}`, cells: [
        where, [`${said(a)} ${/^fail/.test(said(a)) ? since(a.failed_at, found.at) : ago(a.since, found.at)}`.trim(), `state ${TONES[said(a)]}`], (said(a) === "failed last" ? a.last_failure : a.cause) || "–",
        of(number(o.attempts_per_s)), [of(number(o.failed_per_s)), o.failed_per_s ? "bad" : ""],
        of(whole(o.connections.active)), of(whole(o.connections.idle)), of(whole(o.attempts))] };
    });
    const body = part.querySelector("tbody"), heads = [...part.querySelectorAll("th[scope=col]")];
    fill(body, rows, heads.map((head) => head.textContent));
    for (const row of body.children) heads.forEach((head, i) => row.children[i].classList.toggle("n", head.classList.contains("n")));
  }
  for (const part of [...box.children]) if (!(part.dataset.name in found.upstreams)) part.remove();
}

function verdict(found) {
  const texts = found.problems.map((p) => (p.cause ? `${p.what}: ${p.cause}` : p.what));
  const shown = texts.slice(0, MOST_PROBLEMS);
  const addresses = Object.values(found.upstreams).reduce((sum, u) => sum + u.addresses.length, 0);
  if (!texts.length) shown.push(`${many(found.workers.length, "worker")}, ${many(addresses, "address", "addresses")}, ${many(Object.keys(found.routes).length, "route")}`);
  if (texts.length > shown.length) shown.push(`and ${texts.length - shown.length} more`);
  set($("judgement"), texts.length ? many(texts.length, "problem") : "No problems");
  $("verdict").classList.toggle("trouble", texts.length > 0);
  const list = $("problems");
  while (list.children.length > shown.length) list.lastChild.remove();
  shown.forEach((text, i) => set(list.children[i] || list.appendChild(document.createElement("li")), text));
}

function graph(found) {
  if (last && found.at > last.at && found.requests >= last.requests) points.push((found.requests - last.requests) / (found.at - last.at));
  if (points.length > MOST_POINTS) points.shift();
  const top = Math.max(1, ...points), step = 600 / (MOST_POINTS - 1), from = 600 - (points.length - 1) * step;
  const line = points.map((value, i) => `${(from + i * step).toFixed(1)},${(58 - (value / top) * 54).toFixed(1)}`);
  $("stroke").setAttribute("points", line.join(" "));
  $("area").setAttribute("points", line.length ? `${from.toFixed(1)},60 ${line.join(" ")} 600,60` : "");
  set($("peak"), `peak ${points.length ? number(Math.max(...points)) : "–"}`);
}

function figures(found) {
  const r = found.recent, over = `over the last ${span(r.window_s)}`, l = found.latency_s;
  set($("f-rate"), number(r.requests_per_s)); set($("f-rate-note"), over);
  set($("f-failed"), number(r.failed_per_s), r.failed_per_s ? "bad" : ""); set($("f-failed-note"), "5xx, or no answer");
  set($("f-p50"), latency(r.latency_s.p50)); set($("f-p50-note"), `since the start: ${latency(l.p50)}`);
  set($("f-p99"), latency(r.latency_s.p99)); set($("f-p99-note"), `since the start: ${latency(l.p99)}`);
  set($("f-flight"), whole(found.requests_in_flight)); set($("f-flight-note"), `${many(found.client_connections, "client")} connected`);
  set($("f-up"), span(found.started_at === null ? null : found.at - found.started_at)); set($("f-up-note"), `generation ${found.generation}`);
}

function show(found) {
  verdict(found); figures(found); graph(found); upstreams(found);
  table("routes", Object.entries(found.routes).map(([name, r]) => ({ key: name, cells: [
    name, r.matches || "no longer configured", [r.leads_to + (r.without_origin ? ": every origin is left out" : ""), r.without_origin ? "bad" : ""],
    number(r.recent.requests_per_s), [number(r.recent.failed_per_s), r.recent.failed_per_s ? "bad" : ""],
    latency(r.recent.latency_s.p50), latency(r.recent.latency_s.p90), latency(r.recent.latency_s.p99), whole(r.requests)] })));
  set($("routes-note"), `${many(found.unmatched_requests, "request")} matched no route, or could not be read`);
  const errors = Object.entries(found.errors).sort((a, b) => b[1].recent - a[1].recent || b[1].count - a[1].count);
  table("errors", errors.map(([code, e]) => ({ key: code, cells: [code, e.meaning, [whole(e.recent), e.recent ? "bad" : ""], whole(e.count)] })));
  $("errors").closest("table").hidden = !errors.length;
  set($("errors-note"), errors.length ? "" : "none since the start");
  table("workers", found.workers.map((w) => ({ key: String(w.pid), cells: [
    w.pid, [w.generation < found.generation ? "finishing" : w.state, `state ${w.state === "stalled" ? "bad" : w.generation < found.generation ? "warn" : "good"}`],
    w.generation, span(w.started_at === null ? null : found.at - w.started_at), latency(w.event_loop_lag_s), whole(w.client_connections), whole(w.requests_in_flight), whole(w.requests)] })));
  set($("workers-note"), `${many(found.worker_restarts, "restart")}; ${many(found.reloads.accepted, "reload")}, ${found.reloads.refused} refused`);
  $("s-certificates").hidden = !found.certificates.length;
  table("certificates", found.certificates.map((c) => {
    const left = c.expires_at - found.at, days = Math.floor(left / 86400);
    return { key: c.certificate, cells: [c.certificate, c.names.join(", "), clock(c.expires_at), [left < 0 ? "expired" : `${days} days`, left < 0 ? "bad" : days < 14 ? "warn" : ""]] };
  }));
  last = found;
}

function settings() {
  if (!config) return;
  const text = $("config-text").value.trim().toLowerCase(), all = $("config-defaults").checked;
  const rows = config.settings.filter((s) => (all || s.source !== "default") && (!text || `${s.key} ${s.value}`.toLowerCase().includes(text)));
  table("config", rows.map((s) => ({ key: s.key, cells: [s.key, s.value, s.source] })));
  set($("config-note"), `${rows.length > MOST_ROWS ? `the first ${MOST_ROWS} of ` : ""}${rows.length} of ${config.settings.length} keys`);
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}
async function look() {
  try {
    const found = await ask("/status.json");
    failures = 0;
    show(found);
    set($("state"), `live, version ${found.version}`);
    if (!config || config.generation !== found.generation) {
      config = await ask("/config.json");
      $("to-inspector").hidden = !config.inspector;
      settings();
    }
  } catch {
    failures += 1;
    if (failures > 1) set($("state"), last ? `no answer; showing the state of ${clock(last.at)}` : "no answer yet; trying again");
  }
}
let timer = null;
async function again() {
  timer = null;
  await look();
  if (!document.hidden && timer === null) timer = setTimeout(again, ASK_MS);
}
document.addEventListener("visibilitychange", () => { if (!document.hidden && timer === null) again(); });
for (const id of ["config-text", "config-defaults"]) $(id).addEventListener("input", settings);
$("config-filter").addEventListener("submit", (event) => event.preventDefault());
again();
