"use strict";

// Drives the live section. A part that fails is reported on the page, not on the console.

const byId = (id) => document.getElementById(id);
const EVENTS_SHOWN = 20; // then the page closes the stream

function label(verdict, sign, text) {
  const outer = document.createElement("span");
  outer.className = `label ${verdict}`;
  const mark = document.createElement("span");
  mark.setAttribute("aria-hidden", "true");
  mark.textContent = sign;
  outer.append(mark, ` ${text}`);
  return outer;
}

function forgetLeakedCookie() {
  document.cookie = "leak=; Max-Age=0; Path=/";
}

function valueSeen(response, name) {
  if (name.toLowerCase() !== "set-cookie") {
    return response.headers.get(name);
  }
  // Browsers hide Set-Cookie from scripts, but not what it did.
  return document.cookie.split("; ").includes("leak=1") ? "leak=1" : null;
}

async function showHop() {
  forgetLeakedCookie(); // an earlier visit without onehop would count against this one
  const response = await fetch("/hop?keep", { cache: "no-store" });
  await response.text();
  let stopped = 0;
  let belongingToOneHop = 0;
  let keptArrived = false;
  for (const row of byId("hop-result").tBodies[0].rows) {
    const { field, sent } = row.dataset;
    const seen = valueSeen(response, field);
    const endToEnd = field === "X-Kept";
    const outcome = row.querySelector(".outcome");
    if (seen === sent) {
      outcome.replaceChildren(label(endToEnd ? "kept" : "untrusted", endToEnd ? "✓" : "!", "arrived"));
      keptArrived ||= endToEnd;
    } else if (seen === null) {
      outcome.replaceChildren(label(endToEnd ? "untrusted" : "stripped", "✕", endToEnd ? "missing" : "stripped"));
    } else {
      outcome.replaceChildren(label("replaced", "⇄", `set anew for your connection: ${seen}`));
    }
    if (!endToEnd) {
      belongingToOneHop += 1;
      stopped += seen === sent ? 0 : 1;
    }
  }
  const kept = keptArrived ? "X-Kept arrived" : "X-Kept is missing";
  byId("hop-summary").textContent = `${stopped} of ${belongingToOneHop} were not forwarded; ${kept}.`;
  forgetLeakedCookie();
}

function echoOverWebSocket() {
  return new Promise((resolve, reject) => {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws`);
    socket.addEventListener("open", () => socket.send("hello onehop"));
    socket.addEventListener("message", (event) => {
      byId("ws-status").textContent = `echoed: ${event.data}`;
      socket.close(1000);
      resolve();
    });
    socket.addEventListener("close", () => reject(new Error("closed before the echo")));
  });
}

function countEvents() {
  return new Promise((resolve) => {
    const source = new EventSource("/events?ms=300");
    let count = 0;
    source.addEventListener("message", () => {
      count += 1;
      byId("events-count").textContent = String(count);
      if (count === 2) {
        resolve();
      }
      if (count === EVENTS_SHOWN) {
        source.close();
      }
    });
  });
}

async function readStream() {
  const response = await fetch("/stream?n=5&ms=100", { cache: "no-store" });
  const reader = response.body.getReader();
  let lines = 0;
  let pieces = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    pieces += 1;
    lines += value.reduce((sum, byte) => sum + (byte === 10 ? 1 : 0), 0);
    byId("stream-status").textContent = `${lines} of 5 …`;
  }
  byId("stream-status").textContent = `${lines} lines in ${pieces} pieces`;
}

async function attempt(id, part) {
  try {
    await part();
    return true;
  } catch (error) {
    byId(id).textContent = `failed: ${error.message}`;
    return false;
  }
}

async function run() {
  for (const place of document.querySelectorAll(".host")) {
    place.textContent = location.host;
  }
  const succeeded = await Promise.all([
    attempt("hop-summary", showHop),
    attempt("ws-status", echoOverWebSocket),
    attempt("events-count", countEvents),
    attempt("stream-status", readStream),
  ]);
  document.body.dataset.ready = succeeded.every(Boolean) ? "yes" : "no";
}

run();
