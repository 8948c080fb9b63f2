"use strict";
// Shows what workers recorded; decides nothing. Texts are set as text, never as HTML: clients and services wrote them.
const MOST = 500;
const $ = (id) => document.getElementById(id);
const exchanges = [];
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
  const button = element("button", { className: "row", type: "button" },
    element("span", { className: `status ${tone(e)}`, textContent: e.status || "—" }),
    element("span", { textContent: e.method || "?" }),
    element("span", { className: "target", textContent: e.target || "(unreadable)", title: e.target }),
    element("span", { className: "ms", textContent: ms(e.ended_ms) }));
  button.addEventListener("click", () => open(e));
  if (chosen && chosen.seq === e.seq) button.setAttribute("aria-current", "true");
  return element("li", {}, button);
}

function draw() {
  const shown = exchanges.filter(matches);
  $("rows").replaceChildren(...shown.slice(0, 200).map(row));
  $("empty").hidden = shown.length > 0;
  $("empty").textContent = exchanges.length ? "No exchange matches the filter." : "Nothing yet. Send a request through the proxy, and it appears here.";
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

function pair(message) {
  const titles = { request: "Request", interim: "Interim response", response: "Response", "request trailers": "Request trailers", "response trailers": "Response trailers" };
  const came = element("div", { className: "head" }, element("h4", { textContent: message.received || message.kind.endsWith("trailers") ? "as received, with each decision" : "answered by this proxy" }));
  if (message.received) came.append(element("div", { className: "line", textContent: message.received }));
  for (const line of message.lines) {
    came.append(element("div", { className: `line ${line.verdict}` },
      element("span", { className: "field", textContent: `${line.name}: ${line.value}` }),
      element("span", { className: "why", textContent: `${line.verdict}: ${line.rule}` })));
  }
  if (message.left_out) came.append(element("div", { className: "line", textContent: `and ${message.left_out} more lines` }));
  const went = element("div", { className: "head" }, element("h4", { textContent: "as sent" }));
  if (message.sent) went.append(element("div", { className: "line", textContent: message.sent }));
  for (const [name, value] of message.sent_lines) went.append(element("div", { className: "line", textContent: `${name}: ${value}` }));
  return element("section", {}, element("h3", { textContent: titles[message.kind] || message.kind }), element("div", { className: "pair" }, came, went));
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
  return steps.filter(([, , from, to]) => to > from);
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

function curl(e) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const request = e.messages.find((m) => m.kind === "request");
  const received = request ? request.lines.filter((l) => l.verdict !== "set" && l.name.toLowerCase() !== "host") : [];
  const lines = received.map((l) => `-H ${quote(`${l.name}: ${l.value}`)}`);
  return ["curl -i", e.method === "GET" ? "" : `-X ${quote(e.method)}`, ...lines, quote(`http://${e.host}${e.target}`)].filter(Boolean).join(" ");
}

function open(e, focus = true) {
  chosen = e;
  document.body.classList.add("opened");
  const copied = element("button", { type: "button", textContent: "Copy as curl" });
  copied.addEventListener("click", async () => { await navigator.clipboard.writeText(curl(e)); copied.textContent = "Copied"; });
  $("shown").replaceChildren(
    element("h2", { textContent: `${e.method} ${e.target}` }),
    element("p", { className: tone(e), textContent: e.error ? `${e.status} ${e.error}: ${e.detail}` : String(e.status) }),
    facts([
      ["client", e.walk.length ? e.client : `${e.client}, the peer${e.trusted ? "" : "; its X-Forwarded-For is not trusted"}`], ["host", e.host],
      ["route", e.route_serves ? `${e.route}, which matches ${e.route_serves}` : e.route], ["upstream", e.upstream],
      ["at", new Date(e.at * 1000).toISOString()], ["request id", e.id], ["request body", bytes(e.request_bytes)], ["response body", bytes(e.response_bytes)],
      ["tunnel", e.tunnel_end ? `ended: ${e.tunnel_end.replaceAll("_", " ")}` : ""], ["connection", ended(e.client_kept, e.client_why)],
    ]),
    copied, element("h3", { textContent: "Time" }), waterfall(e), ...[attempts(e), client(e)].filter(Boolean), ...(e.messages.length ? e.messages.map(pair) : [element("p", { className: "quiet", textContent: "Its heads were not recorded, because too many requests began in that second. It is listed because it failed." })]));
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
    return {
      startedDateTime: new Date(e.at * 1000).toISOString(), time: e.ended_ms,
      request: { method: e.method, url: `http://${e.host}${e.target}`, httpVersion: `HTTP/${e.version}`, cookies: [], queryString: [], headersSize: -1, bodySize: e.request_bytes,
        headers: headers(request ? request.lines.filter((l) => l.verdict !== "set").map((l) => [l.name, l.value]) : []) },
      response: { status: e.status, statusText: response ? response.sent.split(" ").slice(2).join(" ") : "", httpVersion: "HTTP/1.1", cookies: [], redirectURL: "", headersSize: -1, bodySize: e.response_bytes,
        content: { size: e.response_bytes, mimeType: "" }, headers: headers(response ? response.sent_lines : []) },
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
  source.addEventListener("open", tell);
  source.addEventListener("error", () => { $("state").textContent = "connection lost; trying again"; });
  source.addEventListener("message", (event) => {
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
$("back").addEventListener("click", () => { document.body.classList.remove("opened"); $("text").focus(); });
$("filters").addEventListener("input", drawSoon);
$("filters").addEventListener("submit", (event) => event.preventDefault());
draw();
listen();
