// Keeps a page as it would be if it were loaded now: the dashboard, or the page of one download.
//
// Progress and counts are patched in place. A transition makes the page ask the server for the rows
// or parts that it shows, all at once and at most twice a second, and for the banners when they may
// say something else. One template draws them, here and on the full page.

import { size } from "./format.js";
import * as patch from "./patch.js";
import * as rows from "./rows.js";
import { openStream } from "./shared_stream.js";
import { State } from "./stream.js";

const REFRESH_MS = 500;
const REFRESH_LIST_MS = 2_000; // of a list, whose downloads all change it
const AFTER_ERROR_MS = 3_000;
const POLL_MS = 10_000; // while the server refuses the stream
const HIDDEN_MS = 5 * 60_000; // then the stream closes: a browser has six connections to a site
const CHIP_WORDS = {
  [State.CONNECTING]: "Connecting",
  [State.LIVE]: "Live",
  [State.RECONNECTING]: "Reconnecting",
  [State.STALE]: "Stale",
  [State.SIGNED_OUT]: "Signed out",
  [State.REFUSED]: "Not live",
};

// The states of the filters that are not an outcome.
const COUNTED = {
  active: ["initializing", "ready", "downloading"],
  waiting: ["created"],
  not_cleaned: ["completed", "failed", "cancelled"],
};
const BANNERS_MS = 10_000; // older ones are asked for with the next rows: a disk may be full by now

const CHIP_CLASSES = {
  [State.LIVE]: "is-success",
  [State.RECONNECTING]: "is-warning",
  [State.STALE]: "is-error",
  [State.SIGNED_OUT]: "is-error",
  [State.REFUSED]: "is-warning",
};

const page = document.body.dataset;
const byId = (id) => document.getElementById(id);
const changed = new Set(); // correlation ids of which we know only that they changed
const unshown = new Set(); // changed during a refresh, which may bring their rows as they were before
let everythingChanged = false;
let bannersChanged = false;
let bannersAt = performance.now(); // when they were asked for
let newestStats = null;
let paused = false;
let refreshTimer = null;
let refreshing = 0; // how many refreshes are under way
let refreshedAt = -REFRESH_MS;

const stream = openStream({
  key: page.user,
  url: page.events,
  seq: Number(page.seq),
  onEvent: (name, data) => HANDLERS[name](data),
  onState: showConnection,
});

// What comes by the stream.

const HANDLERS = {
  hello: (data) => patch.setServerTime(data.now),
  heartbeat: (data) => patch.setServerTime(data.now),
  transition(data) {
    const id = data.correlation_id;
    // Another one's, of the stream that is shared; a list asks what became of its entries.
    if (page.download && id !== page.download && !byId("entries")) return;
    const list = byId(`download-${id}`)?.dataset.list;
    if (list && rows.shows(list)) changed.add(list); // its row counts what became of them
    if (!rows.exists || rows.shows(id) || rows.mayJoin(data)) changed.add(id);
    else if (refreshing) unshown.add(id);
    if (byId("banners")?.childElementCount) bannersChanged = true; // they say how many wait
    if (changed.size || bannersChanged) refreshSoon();
  },
  progress(items) {
    if (!paused) items.forEach(onProgress);
    writeTitle();
  },
  stats(data) {
    newestStats = data;
    if (!paused && rows.exists) writeStats();
  },
  waiting({ sites, owners, queue, paused }) {
    const isPaused = ({ row }) => paused.includes(row ?? page.download);
    const wordsOf = (of) => [sites[of.site], owners[of.owner], queue, isPaused(of) && "paused"];
    const wordOf = (of) => wordsOf(of).filter(Boolean).join(" ");
    const isOther = (part) => part.dataset.waiting !== wordOf(part.dataset);
    const others = [...document.querySelectorAll("[data-waiting]")].filter(isOther);
    others.forEach(changedAt);
    const isTold = (host) => document.querySelector(`#banners [data-site="${CSS.escape(host)}"]`);
    const isUntold = ([host, word]) => !word.startsWith("site_") && !isTold(host);
    const isOtherQueue = byId("banners") && byId("banners").dataset.queue !== queue;
    if (isOtherQueue || (rows.exists && Object.entries(sites).some(isUntold))) bannersChanged = true;
    if (others.length || bannersChanged) refreshSoon();
  },
  resync() {
    everythingChanged = true;
    refreshSoon();
  },
  bye() {},
};

function writeStats() {
  const { counts, outcomes, speed, free, workers } = newestStats;
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  const totals = { all: sum(Object.values(counts)), ...outcomes };
  for (const [name, states] of Object.entries(COUNTED))
    totals[name] = sum(states.map((state) => counts[state]));
  for (const count of document.querySelectorAll("[data-count]")) {
    patch.write(count, String(totals[count.dataset.count]));
  }
  patch.write(byId("speed"), speed ? `${size(speed)}/s` : "—");
  patch.write(byId("free"), free === null ? "—" : size(free));
  writeTitle();
  const hasWorker = workers > 0 ? "1" : "0";
  // Without a worker a banner says how many wait.
  if (hasWorker === "1" && byId("banners").dataset.workers === hasWorker) return;
  bannersChanged = true;
  refreshSoon();
}

// Something in this element is no longer as it was drawn.
function changedAt(element) {
  const row = element.closest("[data-row]");
  if (row) changed.add(row.dataset.row);
  if (element.closest("#banners")) bannersChanged = true;
}

function onProgress(item) {
  const element = patch.progressOf(item.correlation_id);
  if (!element || !patch.patchProgress(element, item)) return;
  changed.add(item.correlation_id); // a new phase: from the second one on the title is known
  refreshSoon();
}

// Asking for parts.

function refreshSoon() {
  showChip();
  if (paused || refreshTimer !== null) return;
  const between = byId("entries") ? REFRESH_LIST_MS : REFRESH_MS;
  const wait = Math.max(0, refreshedAt + between - performance.now());
  refreshTimer = setTimeout(refresh, wait);
}

async function refresh() {
  const ids = [...changed];
  const everything = everythingChanged;
  const withBanners = bannersChanged || performance.now() - bannersAt > BANNERS_MS;
  changed.clear();
  everythingChanged = bannersChanged = false;
  refreshedAt = performance.now();
  refreshing += 1;
  try {
    if (!rows.exists) await absorb(page.fragment);
    else await Promise.all([refreshList(ids, everything), withBanners && !everything && refreshBanners()]);
  } catch {
    // The server is away. What was asked for is asked for again when it is back.
    for (const id of ids) changed.add(id);
    everythingChanged ||= everything;
    bannersChanged ||= withBanners;
    refreshedAt = performance.now() + AFTER_ERROR_MS;
  }
  refreshTimer = null;
  refreshing -= 1;
  for (const id of [...unshown].filter(rows.knows)) changed.add(id);
  if (!refreshing) unshown.clear();
  if (changed.size || everythingChanged || bannersChanged) refreshSoon();
}

async function refreshBanners() {
  bannersAt = performance.now();
  await absorb(page.banners);
}

async function refreshList(ids, everything) {
  const others = ids.filter((id) => !rows.shows(id));
  // Of more than a page of them only the server knows which belong to this one.
  const isFlood = others.length > rows.pageSize;
  if (everything || (isFlood && rows.takesNew)) await absorb(location.href);
  const shown = everything ? rows.shownIds() : ids.filter(rows.shows);
  const asked = [...shown, ...(isFlood ? [] : others)];
  if (!asked.length) return;
  const url = new URL(page.fragment, location.href);
  url.search = location.search;
  url.searchParams.set("ids", asked.join(","));
  await absorb(url);
}

// Somebody may be typing in the form, or ticking entries: only their states are drawn again.
function isInUse(id) {
  return id === "add" || (id === "part-entries" && byId("entries"));
}

async function absorb(url) {
  const response = await fetch(url, { redirect: "manual" });
  if (response.type === "opaqueredirect") return stream.signOut();
  if (response.status === 404) return undefined; // deleted meanwhile: the page shows its last state
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of fresh.querySelectorAll("[data-part]")) {
    if (isInUse(part.id)) continue;
    const isThere = patch.swap(part);
    const isNew = !isThere && part.dataset.row && !("unmatched" in part.dataset);
    if (isNew && (rows.takesNew || url !== location.href)) rows.offer(part);
  }
  if (rows.exists) rows.settle();
  writeTitle();
  return undefined;
}

// What is said about the connection.

function showConnection(state) {
  const isLost = state === State.STALE || state === State.SIGNED_OUT;
  document.body.classList.toggle("is-lost", isLost);
  showChip();
  byId("lost").hidden = !isLost && state !== State.REFUSED;
  byId("lost-sign-in").hidden = state !== State.SIGNED_OUT;
  byId("lost-retry").hidden = state === State.SIGNED_OUT;
  if (state === State.REFUSED) {
    const often = `This page asks every ${POLL_MS / 1_000} seconds.`;
    const sentence = `Live updates are off. ${stream.why} ${often}`;
    patch.write(byId("lost-sentence"), sentence);
    patch.write(byId("announcer"), sentence);
  }
  if (isLost) {
    const since = new Date().toLocaleTimeString();
    const sentence =
      state === State.STALE ? `Updates stopped at ${since}. What you see may be old.` : "You are signed out.";
    patch.write(byId("lost-sentence"), sentence);
    patch.write(byId("announcer"), sentence);
    patch.expireNumbers(true);
  }
}

function showChip() {
  const chip = byId("chip");
  const isPaused = paused && stream.state !== State.SIGNED_OUT;
  chip.dataset.state = isPaused ? "paused" : stream.state;
  chip.className = `chip ${isPaused ? "is-warning" : (CHIP_CLASSES[stream.state] ?? "")}`;
  const waiting = changed.size ? `, ${changed.size} ${changed.size === 1 ? "change" : "changes"}` : "";
  patch.write(byId("chip-word"), isPaused ? `Paused${waiting}` : CHIP_WORDS[stream.state]);
}

function writeTitle() {
  const bars = [...document.querySelectorAll("[data-progress] progress[value]")];
  const percent = bars.reduce((sum, bar) => sum + bar.value, 0) / bars.length;
  const active = Number(document.querySelector('[data-count="active"]')?.textContent ?? 0);
  const name = rows.exists ? "Downloads" : document.querySelector("h1").textContent;
  const parts = [bars.length && `${Math.floor(percent)} %`, active && `${active} active`, name, "vnsite"];
  document.title = parts.filter(Boolean).join(" · ");
}

// What the person does.

byId("pause").addEventListener("click", (event) => {
  paused = !paused;
  event.currentTarget.setAttribute("aria-pressed", String(paused));
  if (paused) return showChip();
  if (newestStats && rows.exists) writeStats();
  refreshSoon();
  return undefined;
});

byId("lost-retry").addEventListener("click", () => stream.open());

document.addEventListener("vnsite:added", (event) => rows.expect(event.detail));
document.addEventListener("vnsite:changed", (event) => {
  for (const id of event.detail) changed.add(id);
  if (!paused) refreshSoon();
  else refresh(); // somebody's own action is shown, whatever is paused
});

let hiddenTimer = null;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = setTimeout(() => stream.close(), HIDDEN_MS);
  else if (!stream.isOpen && stream.state !== State.SIGNED_OUT) stream.open();
});
addEventListener("pagehide", () => stream.close());
addEventListener("pageshow", (event) => event.persisted && stream.open());

setInterval(() => {
  patch.writeTimes();
  const due = patch.takeDue();
  due.forEach(changedAt);
  if (due.length) refreshSoon();
  patch.expireNumbers(stream.state === State.STALE || stream.state === State.SIGNED_OUT);
}, 1_000);

setInterval(() => {
  if (stream.state !== State.REFUSED || paused || document.hidden) return;
  everythingChanged = true;
  refreshSoon();
}, POLL_MS);

patch.writeTimes();
showConnection(stream.state);
writeTitle();
stream.open();
