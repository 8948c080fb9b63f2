"use strict";
// Shows what workers recorded; decides nothing. Texts are set as text, never as HTML: clients and services wrote them.
const MOST = 500;
const $ = (id) => document.getElementById(id);
const exchanges = [], rows = new Map();
let paused = false, waiting = 0, skipped = 0, chosen = null, routes = new Set();

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}
const tone = (e) => (e.error || e.status >= 500 ? "bad" : e.status >= 400 ? "warn" : "good");
const ms = (value) => (value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(value < 10 ? 1 : 0)} ms`);
const bytes = (count) => (count < 10000 ? `${count} B` : `${(count / 1024).toFixed(0)} KiB`);

function matches(e) {
  const text = $("text").value.trim().toLowerCase(), status = $("status").value, route = $("route").value;
  if (route && e.route !== route) return false;
  if (status === "error" ? !e.error : status && String(e.status)[0] !== status[0]) return false;
  if (!text) return true;
  const fields = e.messages.flatMap((m) => m.lines.map((l) => `${l.name}: ${l.value}`));
  return [e.method, e.target, e.host, e.client, e.id, e.route, e.error, String(e.status), ...fields].some((s) => s.toLowerCase().includes(text));
}

function row(e) {
  const note = e.error ? `${e.error}: ${e.detail}` : e.attempts.length > 1 ? `${e.attempts.length} attempts` : "";
  const button = element("button", { className: "row", type: "button", tabIndex: -1 },
    element("span", { className: `status ${tone(e)}`, textContent: e.status || "—" }),
    element("span", { textContent: e.method || "?" }),
    element("span", { className: "target", textContent: e.target || "(unreadable)", title: e.target }),
    element("span", { className: "ms", textContent: ms(e.ended_ms) }),
    note ? element("span", { className: `note ${e.error ? "bad" : "quiet"}`, textContent: note, title: note }) : null);
  button.addEventListener("click", () => open(e));
  return element("li", {}, button);
}

// Rows are kept and only added and removed: what has the keyboard's focus keeps it, and a list that was scrolled stays.
function draw() {
  const shown = exchanges.filter(matches), wanted = new Set(shown), list = $("rows");
  for (const [e, item] of rows) if (!wanted.has(e)) { item.remove(); rows.delete(e); }
  let next = list.firstChild;
  for (const e of shown) {
    let item = rows.get(e);
    if (!item) rows.set(e, (item = row(e)));
    if (item === next) next = next.nextSibling; else list.insertBefore(item, next);
  }
  for (const [e, item] of rows) {
    if (e === chosen) item.firstChild.setAttribute("aria-current", "true"); else item.firstChild.removeAttribute("aria-current");
  }
  reachable();
  $("empty").hidden = shown.length > 0;
  $("empty").textContent = exchanges.length ? "No exchange matches the filter." : "Nothing yet. Send a request through the proxy, and it appears here.";
}
// Tab stops once at the list: at the row that has the focus, the one that is open, or the first. Arrow keys move.
function reachable() {
  const stop = $("rows").querySelector(".row:focus") || $("rows").querySelector('.row[aria-current="true"]') || $("rows").querySelector(".row");
  for (const other of $("rows").querySelectorAll('.row[tabindex="0"]')) if (other !== stop) other.tabIndex = -1;
  if (stop) stop.tabIndex = 0;
}
const STEPS = { ArrowDown: (item) => item.nextSibling, ArrowUp: (item) => item.previousSibling, Home: () => $("rows").firstChild, End: () => $("rows").lastChild };
function walk(event) {
  const from = event.target.closest("li"), to = from && event.key in STEPS ? STEPS[event.key](from) : null;
  if (!to) return;
  event.preventDefault();
  to.firstChild.focus();
  reachable();
}
function back() {
  document.body.classList.remove("opened");
  const item = rows.get(chosen);
  (item ? item.firstChild : $("text")).focus();
}
let drawing = false;
function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(); });
}

function add(e) {
  exchanges.unshift(e);
  exchanges.length = Math.min(exchanges.length, MOST);
  skipped += e.skipped;
  if (e.route && !routes.has(e.route)) {
    routes.add(e.route);
    $("route").append(element("option", { textContent: e.route }));
  }
}

function facts(pairs) {
  return element("dl", {}, ...pairs.filter(([, value]) => value).flatMap(([name, value]) => [element("dt", { textContent: name }), element("dd", { textContent: value })]));
}

// What was received beside what was sent, in rows: a line that was kept stands beside itself.
function beside(message) {
  const came = message.lines.filter((line) => line.verdict !== "set"), found = [];
  const stated = new Map(message.lines.filter((line) => line.verdict === "set").map((line) => [`${line.name}: ${line.value}`, line]));
  for (const [name, value] of message.sent_lines) {
    const text = `${name}: ${value}`, went = { text, rule: stated.has(text) ? stated.get(text).rule : "" };
    const place = came.findIndex((line) => line.verdict === "kept" && `${line.name}: ${line.value}` === text);
    if (place >= 0) {
      for (const line of came.splice(0, place)) found.push([line, null]);
      found.push([came.shift(), { text, rule: "" }]);
    } else if (came.length && came[0].verdict !== "kept") found.push([came.shift(), went]);
    else found.push([null, went]);
  }
  return [...found, ...came.map((line) => [line, null])];
}

function pair(message, e) {
  const titles = { request: "Request", interim: "Interim response", response: "Response", "request trailers": "Request trailers", "response trailers": "Response trailers" };
  const reached = e.attempts.findLast((a) => a.reused || a.connected_ms), tried = reached || e.attempts[e.attempts.length - 1];
  const service = tried ? tried.origin : "the service", unsent = message.kind === "request" && tried && !reached;
  const [from, to] = message.kind.startsWith("request") ? ["the client", service] : [service, "the client"];
  const trailers = message.kind.endsWith("trailers"), lines = beside(message), sides = [];
  const at = (place, node) => { node.style.gridRow = place; return node; };
  const side = (title, first) => {
    const box = element("div", { className: "head" }, at(1, element("h4", { textContent: title })), first ? at(2, element("div", { className: "line", textContent: first })) : null);
    box.style.gridRow = `1 / span ${lines.length + 3}`;
    sides.push(box);
    return box;
  };
  const line = (place, text, verdict, rule) => at(place + 3, element("div", { className: `line ${verdict}` },
    element("span", { className: "field", textContent: text }), rule ? element("span", { className: "why", textContent: `${verdict}: ${rule}` }) : null));
  if (message.received || trailers) {
    const came = side(`received from ${from}`, message.received);
    lines.forEach(([its], i) => { if (its) came.append(line(i, `${its.name}: ${its.value}`, its.verdict, its.rule)); });
    if (message.left_out) came.append(at(lines.length + 3, element("div", { className: "line", textContent: `and ${message.left_out} more lines` })));
  }
  if (message.sent || trailers) {
    const went = side(unsent ? `meant for ${to}, not sent: no connection` : message.received || trailers ? `sent to ${to}` : `answered by this proxy, sent to ${to}`, message.sent);
    lines.forEach(([, its], i) => { if (its) went.append(line(i, its.text, its.rule ? "set" : "", its.rule)); });
  }
  return element("section", {}, element("h3", { textContent: titles[message.kind] || message.kind }), element("div", { className: sides.length > 1 ? "pair" : "alone" }, ...sides));
}

// From what was recorded of each attempt: [name, kind, from, to] in milliseconds.
function phases(e) {
  const steps = [], many = e.attempts.length > 1, responded = e.responded_ms || e.ended_ms;
  let reached = 0;
  e.attempts.forEach((a, i) => {
    const name = (text) => (many ? `${i + 1}: ${text}` : text), end = i < e.attempts.length - 1 ? a.ended_ms : responded;
    if (!a.began_ms && !a.connected_ms) return;
    steps.push([name("queue"), "queue", reached, a.began_ms]);
    if (!a.reused) steps.push([name("connect"), "connect", a.began_ms, a.tls_ms || a.connected_ms || end]);
    if (a.tls_ms) steps.push([name("TLS"), "tls", a.tls_ms, a.connected_ms || end]);
    if (a.connected_ms) steps.push([name("first byte"), "wait", a.connected_ms, a.answered_ms || end]);
    reached = a.answered_ms || end;
  });
  if (!steps.length) steps.push(["answered here", "wait", 0, responded]);
  if (e.responded_ms) steps.push([e.tunnel_end ? "tunnel" : "body", "body", e.responded_ms, e.ended_ms]);
  return steps.filter(([, , from, to]) => to - from >= 0.05);  // 0.0 ms says nothing
}

function waterfall(e) {
  const grid = element("div", { className: "waterfall" });
  const end = Math.max(e.ended_ms, 0.001);
  for (const [name, step, from, to] of phases(e)) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "span"); svg.setAttribute("viewBox", "0 0 1000 12"); svg.setAttribute("preserveAspectRatio", "none"); svg.setAttribute("aria-hidden", "true");
    for (const [kind, x, width] of [["ground", 0, 1000], [step, (from / end) * 1000, Math.max(((to - from) / end) * 1000, 4)]]) {
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [key, value] of Object.entries({ class: kind, x: Math.min(x, 996), y: kind === "ground" ? 5 : 0, width, height: kind === "ground" ? 2 : 12 })) rect.setAttribute(key, value);
      svg.append(rect);
    }
    grid.append(element("span", { textContent: name }), svg, element("span", { className: "n", textContent: ms(to - from) }));
  }
  return grid;
}

const ended = (kept, why) => (why ? `${kept ? "kept" : "closed"}: ${why}` : "");
const age = (seconds) => (seconds < 1 ? `${Math.round(seconds * 1000)} ms` : seconds < 120 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(0)} min`);
function attempts(e) {
  if (!e.attempts.length) return null;
  const names = ["attempt at", "result", "connection"];
  const head = element("tr", {}, ...names.map((textContent) => element("th", { textContent, scope: "col" })));
  const rows = e.attempts.map((a, i) => {
    const used = a.reused ? `reused, ${age(a.age_s)} old, after ${a.exchanges} exchange${a.exchanges === 1 ? "" : "s"}` : a.connected_ms ? "new" : "not established";
    const connection = [used, ended(a.kept, a.why)].filter(Boolean).join("; then ");
    return element("tr", {}, ...[e.attempts.length > 1 ? `${i + 1}: ${a.origin}` : a.origin, `${a.result || "given up"} after ${ms(a.ended_ms)}`, connection].map((text, column) => {
      const cell = element(column ? "td" : "th", {}, element("span", { textContent: text }));
      if (column) cell.dataset.name = names[column]; else cell.scope = "row";
      return cell;
    }));
  });
  return element("section", {}, element("h3", { textContent: e.attempts.length > 1 ? "Attempts" : "Attempt" }),
    element("table", { className: "stacked attempts" }, element("thead", {}, head), element("tbody", {}, ...rows)));
}

function client(e) {
  if (!e.walk.length) return null;
  const where = (hop) => (hop[1] ? `element ${hop[1]} of X-Forwarded-For, from its right end` : "the peer");
  return element("section", {}, element("h3", { textContent: "How the client was identified" }), element("ol", { className: "walk" },
    ...e.walk.map((hop, i) => element("li", {}, `${hop[0]}, ${where(hop)}${i === e.walk.length - 1 ? ", is the client" : ""} `, element("span", { className: "why", textContent: `(${hop[2]})` })))));
}

// As the client's own words say, or as a trusted proxy before this one does.
function scheme(e) {
  const request = e.messages.find((m) => m.kind === "request");
  return request && request.sent_lines.some(([name, value]) => name === "X-Forwarded-Proto" && value === "https") ? "https" : "http";
}

// Bodies are not recorded, and nothing that a client sent may do more in a terminal than to be text.
function curl(e) {
  const quote = (text) => `'${text.replace(/[\x00-\x1f\x7f-\x9f]/g, "").replaceAll("'", "'\\''")}'`;
  const request = e.messages.find((m) => m.kind === "request");
  const left = new Set(["host", "content-length", "transfer-encoding"]);
  const lines = (request ? request.lines : []).filter((l) => l.verdict !== "set" && !left.has(l.name.toLowerCase()) && /^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(l.name));
  const method = { GET: "", HEAD: "--head" }[e.method] ?? `-X ${quote(e.method)}`;
  const fields = lines.map((l) => `-H ${quote(l.value ? `${l.name}: ${l.value}` : `${l.name};`)}`);
  return ["curl -i --path-as-is -g", e.version === "1.0" ? "--http1.0" : "", method, ...fields, quote(`${scheme(e)}://${e.host}${e.target}`)].filter(Boolean).join(" ");
}

function open(e, focus = true) {
  chosen = e;
  document.body.classList.add("opened");
  const copied = element("button", { type: "button", textContent: "Copy as curl" });
  copied.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(curl(e)); copied.textContent = "Copied"; }
    catch { copied.replaceWith(element("pre", { textContent: curl(e) })); }  // no clipboard: a page without TLS, or not allowed
  });
  $("shown").replaceChildren(
    element("h2", {}, element("span", { className: tone(e), textContent: e.status || "—" }), ` ${e.method} ${e.target}`),
    ...(e.error ? [element("p", { className: "bad cause", textContent: `${e.error}: ${e.detail}` })] : []),
    facts([
      ["client", e.walk.length ? e.client : `${e.client}, the peer${e.trusted ? "" : ", which is not in trusted_networks"}`], ["host", e.host],
      ["route", e.route_serves ? `${e.route}, which matches ${e.route_serves}` : e.route], ["upstream", e.upstream],
      ["at", new Date(e.at * 1000).toISOString()], ["request id", e.id], ["request body", bytes(e.request_bytes)], ["response body", bytes(e.response_bytes)],
      ["tunnel", e.tunnel_end ? `ended: ${e.tunnel_end.replaceAll("_", " ")}` : ""], ["connection", ended(e.client_kept, e.client_why)],
    ]),
    copied, element("h3", { textContent: "Time" }), waterfall(e), ...[attempts(e), client(e)].filter(Boolean), ...(e.messages.length ? e.messages.map((message) => pair(message, e)) : [element("p", { className: "quiet", textContent: "Its heads were not recorded, because too many requests began in that second. It is listed because it failed." })]));
  $("detail").hidden = false;
  $("detail").scrollTop = 0;
  if (focus) $("detail").focus();
  drawSoon();
}

function timings(e) {
  const took = (kind) => phases(e).filter(([, step]) => step === kind).reduce((sum, [, , from, to]) => sum + to - from, 0);
  const ssl = took("tls"), connect = took("connect") + ssl;  // HAR counts TLS as a part of connecting
  return { blocked: took("queue"), dns: -1, connect: connect || -1, ssl: ssl || -1, send: 0, wait: took("wait"), receive: took("body") };
}

function har() {
  const headers = (lines) => lines.map(([name, value]) => ({ name, value }));
  const entries = exchanges.filter(matches).map((e) => {
    const request = e.messages.find((m) => m.kind === "request"), response = e.messages.findLast((m) => m.kind === "response");
    const type = response && response.sent_lines.find(([name]) => name.toLowerCase() === "content-type");
    return {
      startedDateTime: new Date(e.at * 1000).toISOString(), time: e.ended_ms,
      request: { method: e.method, url: `${scheme(e)}://${e.host}${e.target}`, httpVersion: `HTTP/${e.version}`, cookies: [], queryString: [], headersSize: -1, bodySize: e.request_bytes,
        headers: headers(request ? request.lines.filter((l) => l.verdict !== "set").map((l) => [l.name, l.value]) : []) },
      response: { status: e.status, statusText: response ? response.sent.split(" ").slice(2).join(" ") : "", httpVersion: "HTTP/1.1", cookies: [], redirectURL: "", headersSize: -1, bodySize: e.response_bytes,
        content: { size: e.response_bytes, mimeType: type ? type[1] : "" }, headers: headers(response ? response.sent_lines : []) },
      cache: {}, timings: timings(e), _onehop: e,
    };
  });
  const file = new Blob([JSON.stringify({ log: { version: "1.2", creator: { name: "onehop", version: "1" }, entries } }, null, 1)], { type: "application/json" });
  const link = element("a", { href: URL.createObjectURL(file), download: "onehop.har" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function tell() {
  $("state").textContent = paused ? `paused, ${waiting} new since` : `live, ${exchanges.length} kept${skipped ? `, ${skipped.toLocaleString("en")} not shown` : ""}`;
}
function listen() {
  const source = new EventSource("/inspector/events");
  let before = 0;  // the number of the last exchange on this connection: a page that is slow misses some
  source.addEventListener("open", () => { before = 0; tell(); });
  source.addEventListener("error", () => {
    $("state").textContent = "connection lost; trying again";
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);  // it was refused: browsers do not ask again
  });
  source.addEventListener("message", (event) => {
    const number = Number(event.lastEventId);
    if (before && number > before + 1) skipped += number - before - 1;
    before = number;
    if (paused) { waiting += 1; tell(); return; }
    add({ ...JSON.parse(event.data), seq: event.lastEventId });
    drawSoon();
    tell();
  });
}
$("pause").addEventListener("click", () => {
  paused = !paused; waiting = 0;
  $("pause").setAttribute("aria-pressed", paused); $("pause").textContent = paused ? "Resume" : "Pause";
  tell();
});
$("clear").addEventListener("click", () => { exchanges.length = 0; skipped = 0; chosen = null; document.body.classList.remove("opened"); $("detail").hidden = true; draw(); tell(); });
$("har").addEventListener("click", har);
$("back").addEventListener("click", back);
$("detail").addEventListener("keydown", (event) => { if (event.key === "Escape") back(); });
$("rows").addEventListener("keydown", walk);
$("filters").addEventListener("input", drawSoon);
$("filters").addEventListener("submit", (event) => event.preventDefault());
draw();
listen();
