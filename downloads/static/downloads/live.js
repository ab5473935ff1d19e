// Keeps a page as it would be if it were loaded now: the dashboard, or the page of one download.
//
// Progress and counts are patched in place. A transition makes the page ask the server for the rows
// or parts that it shows, all at once, and for the banners when they may say something else. One
// template draws them, here and on the full page.

import { alarm, announcers } from "./announce.js";
import { connect } from "./connection.js";
import { size } from "./format.js";
import * as patch from "./patch.js";
import * as rows from "./rows.js";
import * as signs from "./signs.js";
import { say } from "./words.js";

const BURST = 6; // refreshes in this time, and then one after the other
const BURST_MS = 2_000;
const BURST_OF_LIST_MS = 8_000; // of a list, whose downloads all change it
const LEAST_MS = 50; // between two: what is committed together is asked for together
const AFTER_ERROR_MS = 3_000;
const POLL_MS = 10_000; // while there is no stream
const BANNERS_MS = 10_000; // older ones are asked for with the next rows: a disk may be full by now
const IDLE_MS = 5 * 60_000; // hidden for so long while nothing runs, the page hears no more
const NOTE_MS = 20_000;
const AWAY_MS = 20_000; // what was missed in so long is told
const REPLAY_MS = 2_000;

// The states of the filters that are not an outcome.
const COUNTED = {
  active: ["initializing", "ready", "downloading"],
  waiting: ["created"],
  not_cleaned: ["completed", "failed", "cancelled"],
};

const QUEUE_MS = 2_000; // in which places in the queue may be old
let queueTimer = null;
const page = document.body.dataset;
const byId = (id) => document.getElementById(id);
const tellers = announcers();
const changed = new Set(); // correlation ids of which we know only that they changed
const unshown = new Set(); // changed during a refresh, which may bring their rows as they were before
const gone = new Set(); // deleted: a refresh may still bring them
const refreshes = []; // when the newest began
let everythingChanged = false;
let bannersChanged = false;
let bannersAt = performance.now(); // when they were asked for
let newestStats = null;
let paused = false;
let refreshTimer = null;
let refreshing = 0; // how many refreshes are under way
let waitUntil = 0; // after an error
let isUnanswered = false; // the last refresh
let awaySince = null; // Date.now() when this page began to miss events
let missed = 0; // transitions since it hears again

const connection = connect({
  key: page.user,
  url: new URL(page.events, location.href).href,
  seq: Number(page.seq),
  onEvent: (name, data) => HANDLERS[name]?.(data),
  onChange: showConnection,
});
const { link } = connection;
const isOff = () => link.state === "refused" || link.state === "held-back";
const isLost = () => ["stale", "signed-out"].includes(link.state) || (isOff() && isUnanswered);
const setClock = () => patch.setClock(link.clockMs);

// What comes by the stream.

const HANDLERS = {
  hello: setClock,
  heartbeat: setClock,
  transition(data) {
    const id = data.correlation_id;
    missed += 1;
    for (const teller of tellers) teller.add(data.to, id);
    signs.onTransition(data);
    // Another one's, of the stream that is shared; a list asks what became of its entries.
    if (page.download && id !== page.download && !byId("entries")) return;
    const list = byId(`download-${id}`)?.dataset.list;
    if (list && rows.shows(list)) changed.add(list); // its row counts what became of them
    if (!rows.exists || rows.shows(id) || rows.mayJoin(data)) changed.add(id);
    else if (refreshing) unshown.add(id);
    if (data.from === "created" && rows.exists && !queueTimer) queueTimer = setTimeout(queueMoved, QUEUE_MS);
    if (byId("banners")?.childElementCount) bannersChanged = true; // they say how many wait
    if (changed.size || bannersChanged) refreshSoon();
  },
  deleted({ correlation_ids: ids }) {
    for (const id of ids) {
      gone.add(id);
      changed.delete(id);
      if (rows.exists && !paused) rows.drop(id);
    }
    if (ids.includes(page.download)) showGone();
    else if (byId("entries")) refreshSoon();
  },
  progress(items) {
    if (!paused) items.forEach(onProgress);
    document.dispatchEvent(new CustomEvent("vnsite:progress", { detail: items }));
    writeTitle();
  },
  stats(data) {
    newestStats = data;
    if (!paused && rows.exists) writeStats();
  },
  waiting({ sites, owners, queue = "", paused: held = [] }) {
    const wordsOf = ({ site, owner, row = page.download }) =>
      owner === undefined // a banner
        ? [sites[site]]
        : [sites[site], owners[owner], queue, held.includes(row) && "paused"];
    const isOther = (part) => part.dataset.waiting !== wordsOf(part.dataset).filter(Boolean).join(" ");
    const others = [...document.querySelectorAll("[data-waiting]")].filter(isOther);
    others.forEach(changedAt);
    const isTold = (host) => document.querySelector(`#banners [data-site="${CSS.escape(host)}"]`);
    const isUntold = ([host, word]) => !word.startsWith("site_") && !isTold(host);
    const isQueueOther = (byId("banners")?.dataset.queue ?? queue) !== queue;
    if (isQueueOther || (rows.exists && Object.entries(sites).some(isUntold))) bannersChanged = true;
    if (others.length || bannersChanged) refreshSoon();
  },
  resync: refreshAll,
  // Another session may be signed in by now: its forms have other tokens.
  bye: ({ why }) => why === "signed_out" && refreshAll(),
};

function refreshAll() {
  everythingChanged = true;
  refreshSoon();
}

// Somebody left the queue: the places of those behind are others.
function queueMoved() {
  queueTimer = null;
  for (const id of rows.queuedIds()) changed.add(id);
  if (changed.size) refreshSoon();
}

function writeStats() {
  const { counts, outcomes, speed, free, workers } = newestStats;
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  const totals = { all: sum(Object.values(counts)), ...outcomes };
  for (const [name, states] of Object.entries(COUNTED))
    totals[name] = sum(states.map((state) => counts[state]));
  for (const count of document.querySelectorAll("[data-count]")) {
    if (count.dataset.count in totals) patch.write(count, String(totals[count.dataset.count]));
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
  else if (!element.closest("#banners")) changed.add(page.download);
  if (element.closest("#banners")) bannersChanged = true;
}

function onProgress(item) {
  const element = patch.progressOf(item.correlation_id);
  if (!element || !patch.patchProgress(element, item)) return;
  changed.add(item.correlation_id); // a new phase: from the second one on the title is known
  refreshSoon();
}

// The page shows what it showed, and that there is nothing behind it any more.
function showGone() {
  byId("gone").hidden = false;
  for (const button of document.querySelectorAll("[form=actions]")) button.disabled = true;
  tell(byId("gone").textContent.trim());
}

// Asking for parts.

function refreshSoon() {
  showChip();
  if (paused || refreshTimer !== null || gone.has(page.download)) return;
  const now = performance.now();
  const span = byId("entries") ? BURST_OF_LIST_MS : BURST_MS;
  const free = refreshes.length < BURST ? 0 : refreshes.at(-BURST) + span;
  const next = Math.max(free, (refreshes.at(-1) ?? -LEAST_MS) + LEAST_MS, waitUntil);
  refreshTimer = setTimeout(refresh, Math.max(0, next - now));
}

async function refresh() {
  const ids = [...changed];
  const everything = everythingChanged;
  const withBanners = bannersChanged || performance.now() - bannersAt > BANNERS_MS;
  changed.clear();
  everythingChanged = bannersChanged = false;
  refreshes.splice(0, refreshes.length - BURST + 1);
  refreshes.push(performance.now());
  refreshing += 1;
  try {
    if (!rows.exists) await absorb(everything ? location.href : page.fragment);
    else await Promise.all([refreshList(ids, everything), withBanners && !everything && refreshBanners()]);
    setUnanswered(false);
  } catch {
    // The server is away. What was asked for is asked for again when it is back.
    for (const id of ids) changed.add(id);
    everythingChanged ||= everything;
    bannersChanged ||= withBanners;
    waitUntil = performance.now() + AFTER_ERROR_MS;
    setUnanswered(true);
  }
  refreshTimer = null;
  refreshing -= 1;
  for (const id of [...unshown].filter(rows.knows)) changed.add(id);
  if (!refreshing) unshown.clear();
  if (changed.size || everythingChanged || bannersChanged) refreshSoon();
}

function setUnanswered(isIt) {
  if (isUnanswered === isIt) return;
  isUnanswered = isIt;
  showConnection();
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

// Somebody may be typing in a form, or ticking entries: only their states are drawn again.
function isInUse(id) {
  const isOpen = byId(id)?.querySelector("[data-keep][open]");
  return isOpen || id === "add" || (id === "part-entries" && byId("entries"));
}

async function absorb(url) {
  const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(POLL_MS) });
  if (response.type === "opaqueredirect") return connection.ask("retry"); // signed out: it will say so
  if (response.status === 404) return undefined; // deleted meanwhile: the stream says so
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  const isOtherUser = fresh.body.dataset.user && fresh.body.dataset.user !== page.user;
  if (isOtherUser) return location.reload();
  useToken(fresh);
  for (const part of fresh.querySelectorAll("[data-part]")) {
    if (isInUse(part.id) || gone.has(part.dataset.row)) continue;
    const isThere = patch.swap(part);
    const isNew = !isThere && part.dataset.row && !("unmatched" in part.dataset);
    if (isNew && (rows.takesNew || url !== location.href)) rows.offer(part);
  }
  if (rows.exists) rows.settle();
  writeTitle();
  return undefined;
}

// After a new sign-in the forms of this page need the token of the new session.
function useToken(fresh) {
  const name = "[name=csrfmiddlewaretoken]";
  const token = fresh.querySelector(name)?.value;
  if (token) for (const field of document.querySelectorAll(name)) field.value = token;
}

// What is said about the connection.

let shownState = "connecting";

function showConnection() {
  const { state } = link;
  setClock();
  document.body.classList.toggle("is-lost", isLost());
  if (state === "live") {
    if (shownState === "signed-out") refreshAll();
    if (awaySince !== null) setTimeout(tellMissed, REPLAY_MS, Date.now() - awaySince);
    awaySince = null;
  } else if (awaySince === null && state !== "connecting") [awaySince, missed] = [link.lastAt, 0];
  if (isLost()) {
    patch.expireNumbers(true);
    patch.write(byId("speed"), "—");
  }
  if (state !== shownState && state === "signed-out") alarm(say("signed_out"));
  else if (state !== shownState && (isOff() || state === "stale")) tell(lostSentence());
  shownState = state;
  showChip();
  writeTitle();
}

function tellMissed(awayMs) {
  if (awayMs > AWAY_MS && missed) signs.toast(say("missed", { n: missed }));
}

function tell(sentence) {
  for (const teller of tellers) teller.add("said", sentence);
}

function lostSentence() {
  if (link.state === "signed-out") return say("signed_out");
  if (isOff() && !isUnanswered) {
    return `${say("off")} ${link.why || say("held_back")} ${say("polling", { n: POLL_MS / 1_000 })}`;
  }
  return say("stopped", { time: new Date(link.lastAt).toLocaleTimeString() });
}

function showChip() {
  const { state } = link;
  const isPaused = paused && state !== "signed-out";
  const seconds = Math.max(0, Math.ceil((link.nextAt - Date.now()) / 1_000));
  const isWaiting = link.nextAt > 0 && !["live", "connecting"].includes(state);
  const shown = isLost() && state !== "signed-out" ? "stale" : state;
  const chip = byId("chip");
  chip.dataset.state = isPaused ? "paused" : shown;
  const word = isPaused && changed.size ? "paused_changes" : chip.dataset.state;
  patch.write(byId("chip-word"), say(word, { n: isPaused ? changed.size : POLL_MS / 1_000 }));
  patch.write(byId("chip-next"), isWaiting && !isPaused ? say("next_try", { n: seconds }) : "");
  byId("chip-retry").hidden = !isWaiting || isPaused;
  byId("lost").hidden = !isLost() && !isOff();
  byId("lost-sign-in").hidden = state !== "signed-out";
  if (!byId("lost").hidden) patch.write(byId("lost-sentence"), lostSentence());
}

function writeTitle() {
  const bars = isLost() ? [] : [...document.querySelectorAll("[data-progress] progress[value]")];
  const active = isLost() ? 0 : Number(document.querySelector('[data-count="active"]')?.textContent ?? 0);
  signs.writeTitle({
    percent: bars.length ? bars.reduce((sum, bar) => sum + bar.value, 0) / bars.length : null,
    active,
    name: isLost()
      ? say("stale")
      : rows.exists
        ? !active && say("downloads")
        : document.querySelector("h1").textContent,
    isActive: active > 0 || bars.length > 0,
  });
}

// What the person does.

byId("pause").addEventListener("click", (event) => {
  paused = !paused;
  event.currentTarget.setAttribute("aria-pressed", String(paused));
  if (paused) return showChip();
  if (newestStats && rows.exists) writeStats();
  if (rows.exists) gone.forEach(rows.drop);
  refreshSoon();
  return undefined;
});

byId("chip-retry").addEventListener("click", () => connection.ask("retry"));

document.addEventListener("vnsite:added", (event) => rows.expect(event.detail));
document.addEventListener("vnsite:changed", (event) => onOwn(event.detail));

// Somebody's own action is shown, whatever is paused.
function onOwn(ids) {
  for (const id of ids) changed.add(id);
  if (!paused) refreshSoon();
  else refresh();
}

document.addEventListener("submit", ({ target }) => {
  if (target.getAttribute("action")?.endsWith("/logout/")) connection.ask("recheck"); // for the other pages
});

// Answers of the buttons of one download (`data-act`): htmx puts a refusal (409) beside the button.

document.addEventListener("htmx:before:response", (event) => {
  const { sourceElement, response, target } = event.detail.ctx;
  if (response.raw.redirected) {
    event.preventDefault();
    connection.ask("retry");
    alarm(say("signed_out"));
  } else if (sourceElement.dataset.act && response.status >= 400 && response.status !== 409) {
    event.preventDefault();
    refuse(target, say("failed_action", { status: response.status }));
  }
});

document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (ctx.sourceElement.dataset.act) refuse(ctx.target, say("unreachable"));
});

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  const { sourceElement: button, target } = ctx;
  if (!button.dataset.act) return;
  const notes = [...target.children]; // patch.js carries them along when the part is drawn again
  setTimeout(() => {
    for (const note of notes) note.remove();
  }, NOTE_MS);
  onOwn([button.dataset.of]);
});

function refuse(place, sentence) {
  const note = document.createElement("p");
  [note.className, note.role, note.textContent] = ["refusal is-error", "alert", sentence];
  place.replaceChildren(note);
}

// Time.

let idleTimer = null;

function closeWhenIdle() {
  clearTimeout(idleTimer);
  if (!document.hidden) return;
  const isBusy = newestStats && COUNTED.active.some((state) => newestStats.counts[state]);
  if (!isBusy) [awaySince, missed] = [Date.now(), 0];
  if (isBusy) idleTimer = setTimeout(closeWhenIdle, IDLE_MS);
  else connection.close();
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(idleTimer);
  if (document.hidden) idleTimer = setTimeout(closeWhenIdle, IDLE_MS);
  else if (!connection.isOpen || link.state === "signed-out") connection.open();
});
addEventListener("pagehide", () => connection.close());
addEventListener("pageshow", (event) => event.persisted && connection.open());

setInterval(() => {
  patch.writeTimes();
  const due = patch.takeDue();
  due.forEach(changedAt);
  if (due.length) refreshSoon();
  patch.expireNumbers(isLost());
  showChip();
  if (rows.exists) signs.drawSpeed(isLost() ? 0 : (newestStats?.speed ?? 0));
}, 1_000);

setInterval(() => isOff() && !paused && !document.hidden && refreshAll(), POLL_MS);

patch.writeTimes();
showConnection();
connection.open();
