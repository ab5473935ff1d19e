// One connection to /events/ for all pages of a browser: over HTTP/1.1 it opens six to a site at
// most, and with a stream for each page the seventh page would not load.
//
// A page says from which seq on it wants to hear; it gets what was kept since, then what comes.

import { Stream } from "./stream.js";

const KEPT = 500; // transitions, for pages that come later
const SILENT_MS = 150_000; // a page in the background speaks once a minute
const LASTING = ["hello", "stats", "waiting"]; // of these the newest says all

const pages = new Map(); // port → when it was heard
const newest = new Map(); // name → data, of the lasting events
const kept = []; // [seq, data] of the newest transitions
let since = 0; // every transition after this one is kept
let stream = null;

function listen(url, seq) {
  since = seq;
  stream = new Stream({ url, seq, onEvent, onState: () => tellAll(connection()) });
  stream.open();
}

function rest() {
  stream.close();
  stream.dispose();
  stream = null;
  newest.clear();
  kept.length = 0;
}

function onEvent(name, data) {
  if (LASTING.includes(name)) newest.set(name, data);
  if (name === "transition") {
    kept.push([stream.seq, data]);
    if (kept.length > KEPT) [since] = kept.shift();
  }
  if (name === "resync") {
    kept.length = 0;
    since = stream.seq;
  }
  tellAll({ name, data, seq: stream.seq });
}

function connection() {
  return { state: stream.state, why: stream.why };
}

function tellAll(message) {
  for (const port of pages.keys()) port.postMessage(message);
}

function greet(port, seq) {
  port.postMessage(connection());
  for (const [name, data] of newest) port.postMessage({ name, data, seq: 0 });
  if (seq < since) port.postMessage({ name: "resync", data: { why: "gap" }, seq: stream.seq });
  else {
    const missed = kept.filter(([each]) => each > seq);
    for (const [each, data] of missed) port.postMessage({ name: "transition", data, seq: each });
  }
}

function leave(port) {
  pages.delete(port);
  if (stream && !pages.size) rest();
}

const ASKED = {
  open(port, { url, seq }) {
    const isHere = pages.has(port);
    pages.set(port, performance.now());
    if (!stream) listen(url, seq);
    else if (!stream.isOpen || isHere) stream.open();
    greet(port, seq);
  },
  here(port, { url, seq }) {
    if (!pages.has(port)) ASKED.open(port, { url, seq });
    pages.set(port, performance.now());
  },
  leave,
};

addEventListener("connect", ({ ports: [port] }) => {
  port.onmessage = ({ data }) => ASKED[data.ask](port, data);
});

// A page that crashed does not take its leave.
setInterval(() => {
  const longAgo = performance.now() - SILENT_MS;
  for (const [port, heardAt] of [...pages]) if (heardAt < longAgo) leave(port);
}, SILENT_MS / 5);
