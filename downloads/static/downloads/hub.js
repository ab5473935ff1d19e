// The one connection to /events/ of all pages of a browser, as a SharedWorker: over HTTP/1.1 a
// browser opens six to a site, and with a stream for each page the seventh would not load. Where
// there are no SharedWorkers, a page has one for itself. Opens it, watches it, opens it again.
//
// A page says from which seq on it wants to hear; it gets what was kept since, then what comes.
// Each message says how the connection is, too.

const KEPT = 500; // transitions and deletions, for pages that come later
const SILENT_MS = 150_000; // a page in the background speaks once a minute
const NO_FLICKER_MS = 3_000; // a connection that comes back so soon was never gone
const HELLO_MS = 8_000; // twice without hello for so long: a proxy holds the stream back
const SLACK_MS = 5_000; // what a heartbeat may be late
const DEAD_MS = 10_000; // an open connection that stayed silent for so long is opened again
const MOST_MS = 30_000; // between two tries
const HELD_BACK_MS = 60_000;
const SIGN_OUT_MS = 1_500; // until the server knows of it
const EVENTS = "hello transition deleted progress stats waiting heartbeat resync bye".split(" ");

const pages = new Map(); // port → when it was heard
const newest = new Map(); // name → data, of events of which the newest says all
const kept = []; // [seq, name, data]
// `lastAt`: when something new was heard last; `nextAt`: when it is tried again. By our clock.
const link = { state: "connecting", why: "", clockMs: 0, lastAt: Date.now(), nextAt: 0 };
let url = "";
let seq = 0;
let since = 0; // everything after this is kept
let begin = 0; // the newest seq when the stream began
let heartbeatMs = 15_000;
let heardAt = 0;
let openedAt = 0;
let failures = 0;
let unheard = 0; // openings without hello
let source = null;
let retry = null;

function open() {
  close();
  openedAt = performance.now();
  source = new EventSource(`${url}?after=${seq}`);
  source.onerror = onError;
  for (const name of EVENTS) source.addEventListener(name, onEvent);
  tellAll({});
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = retry = null;
  link.nextAt = 0;
}

// At random, so that not all come back at once; later each time.
function openLater(leastMs = 0) {
  close();
  const wait = leastMs + Math.min(MOST_MS, 1_000 + 4_000 * Math.random() * 1.5 ** failures++);
  link.nextAt = Date.now() + wait;
  retry = setTimeout(open, wait);
  tellAll({});
}

function onEvent({ type: name, data: text, lastEventId }) {
  const data = JSON.parse(text);
  heardAt = performance.now();
  failures = unheard = 0;
  if (lastEventId) seq = Number(lastEventId);
  if (data.now) link.clockMs = Date.parse(data.now) - Date.now();
  if (name === "hello") [begin, heartbeatMs] = [data.seq, data.heartbeat * 1_000];
  if (name === "resync") [seq, since, kept.length] = [begin, begin, 0]; // loaded, not replayed
  if (name === "stats" || name === "waiting") newest.set(name, data);
  if (name === "transition" || name === "deleted") keep(name, data);
  if (name === "bye") onBye(data.why);
  else if (data.now || link.state !== "stale") [link.state, link.why] = [data.stale ? "stale" : "live", ""];
  if (link.state === "live") link.lastAt = Date.now();
  tellAll({ name, data, seq });
}

function keep(name, data) {
  kept.push([seq, name, data]);
  if (kept.length > KEPT) [since] = kept.shift();
}

// A session that ended may have been followed by another one: only the server knows.
function onBye(why) {
  if (why === "signed_out") return open();
  openLater();
  if (why === "shutdown") become("restarting");
  return undefined;
}

function onError() {
  const isRefused = source.readyState === EventSource.CLOSED;
  openLater();
  if (isRefused) askWhy();
}

// An EventSource does not say how it was answered. A login of a proxy's leads elsewhere, or answers
// a page instead of the stream.
async function askWhy() {
  const asking = new AbortController();
  try {
    const answer = await fetch(url, { redirect: "manual", signal: asking.signal });
    if (!retry) return; // closed on purpose, or opened again
    const is = (type) => answer.headers.get("Content-Type")?.startsWith(type);
    const isLogin = answer.type === "opaqueredirect" || (answer.ok && !is("text/event-stream"));
    if (isLogin || answer.status === 401 || answer.status === 403) return signOut();
    if (answer.status !== 429 && answer.status !== 503) return;
    link.why = is("text/plain") ? await answer.text() : "";
    openLater(Number(answer.headers.get("Retry-After")) * 1_000);
    become("refused");
  } catch {
    // The server is away: `watch` will say so.
  } finally {
    asking.abort(); // it may have been a stream after all
  }
}

function signOut() {
  close();
  become("signed-out");
}

function watch() {
  if (!source && !retry) return; // at rest, or signed out
  const now = performance.now();
  const isOffByUs = link.state === "refused" || link.state === "held-back";
  if (source && heardAt <= openedAt && now - openedAt > HELLO_MS) {
    unheard += 1;
    if (unheard < 2) return open();
    openLater(HELD_BACK_MS);
    become("held-back");
  } else if (isOffByUs) {
    return;
  } else if (now - heardAt > heartbeatMs + SLACK_MS) {
    become("stale");
    if (source && now - openedAt > DEAD_MS) open();
  } else if (source?.readyState !== EventSource.OPEN && now - heardAt > NO_FLICKER_MS) {
    become(link.state === "restarting" ? "restarting" : "reconnecting");
  }
}

function become(state) {
  if (state !== "refused") link.why = "";
  link.state = state;
  tellAll({});
}

const tell = (port, message) => port.postMessage({ ...message, ...link });

function tellAll(message) {
  for (const port of pages.keys()) tell(port, message);
}

function greet(port, after) {
  tell(port, {});
  for (const [name, data] of newest) tell(port, { name, data, seq: 0 });
  if (after < since) tell(port, { name: "resync", data: { why: "gap" }, seq });
  else for (const [at, name, data] of kept) if (at > after) tell(port, { name, data, seq: at });
}

function leave(port) {
  pages.delete(port);
  if (pages.size) return;
  close();
  newest.clear();
  kept.length = 0;
}

const ASKED = {
  open(port, { url: wanted, seq: after }) {
    if (!pages.size) {
      [url, seq, since, heardAt] = [wanted, after, after, performance.now()];
      open();
    } else if (!source) open();
    pages.set(port, performance.now());
    greet(port, after);
  },
  here(port, asked) {
    if (!pages.has(port)) ASKED.open(port, asked);
    pages.set(port, performance.now());
  },
  retry: open,
  recheck: () => setTimeout(() => pages.size && open(), SIGN_OUT_MS),
  leave,
};

export function serve(port) {
  port.onmessage = ({ data }) => ASKED[data.ask](port, data);
}

addEventListener("connect", ({ ports: [port] }) => serve(port));
setInterval(watch, 1_000);
setInterval(() => {
  // A page that crashed does not take its leave.
  const longAgo = performance.now() - SILENT_MS;
  for (const [port, at] of [...pages]) if (at < longAgo) leave(port);
}, SILENT_MS / 5);
