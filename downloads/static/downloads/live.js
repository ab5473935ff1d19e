// Keeps a page as it would be if it were loaded now: the dashboard, or the page of one download.
// Progress and counts are patched in place; of what else changed refresh.js asks for the parts.

import { alarm, announcers } from "./announce.js";
import { connect } from "./connection.js";
import { size } from "./format.js";
import * as patch from "./patch.js";
import {
  begin,
  changed,
  gone,
  noteUnshown,
  refreshAll,
  refreshBanners,
  refreshNow,
  refreshSoon,
} from "./refresh.js";
import * as rows from "./rows.js";
import * as signs from "./signs.js";
import { noteAnswer, showChip, status, watch } from "./status.js";
import { say } from "./words.js";

const IDLE_MS = 5 * 60_000; // hidden for so long while nothing runs, the page hears no more
const NOTE_MS = 20_000;
const TICK_MS = 1_000; // between two looks at the clock
const QUEUE_MS = 2_000; // in which places in the queue may be old
// The states of the filters that are not an outcome.
const COUNTED = {
  active: ["initializing", "ready", "downloading"],
  waiting: ["created"],
  not_cleaned: ["completed", "failed", "cancelled"],
};

const page = document.body.dataset;
// Between two drawings of numbers, each of which costs a frame.
const PROGRESS_MS = Math.max(500, 1_000 * Number(page.frequency ?? 0));
const byId = (id) => document.getElementById(id);
const tellers = announcers();
let newestStats = null;
let queueTimer = null;
const progress = new Map(); // correlation id → the newest item that is not shown yet
let progressAt = 0;
let progressTimer = null;
let tickTimer = null;
let tickedAt = 0;
let activeCount = Number(document.querySelector('[data-count="active"]')?.textContent ?? 0);

function tell(kind, what) {
  for (const teller of tellers) teller.add(kind, what);
}

// What comes by the stream.

const HANDLERS = {
  hello: () => patch.setClock(link.clockMs),
  heartbeat: () => patch.setClock(link.clockMs),
  transition(data) {
    const id = data.correlation_id;
    onTransition();
    tell(data.to, id);
    signs.onTransition(data);
    if (data.from === "created" && rows.exists && queueTimer === null) {
      queueTimer = setTimeout(queueMoved, QUEUE_MS);
    }
    // Another one's, of the stream that is shared; a list asks what became of its entries.
    if (page.download && id !== page.download && !byId("entries")) return;
    const list = byId(`download-${id}`)?.dataset.list;
    if (list && rows.shows(list)) changed.add(list); // its row counts what became of them
    if (!rows.exists || rows.shows(id) || rows.mayJoin(data)) changed.add(id);
    else noteUnshown(id);
    if (byId("banners")?.childElementCount) refreshBanners(); // they say how many wait
    if (changed.size) refreshSoon();
    showChip();
  },
  deleted({ correlation_ids: ids }) {
    for (const id of ids) {
      gone.add(id);
      changed.delete(id);
      if (rows.exists && !status.paused) rows.drop(id);
    }
    if (ids.includes(page.download)) showGone();
    else if (byId("entries")) refreshSoon();
  },
  progress(items) {
    for (const item of items) progress.set(item.correlation_id, item);
    document.dispatchEvent(new CustomEvent("vnsite:progress", { detail: items }));
    if (progressTimer !== null) return;
    progressTimer = setTimeout(showProgress, Math.max(0, progressAt + PROGRESS_MS - performance.now()));
  },
  stats(data) {
    newestStats = data;
    if (!status.paused && rows.exists) writeStats();
  },
  waiting({ sites, owners, queue = "", paused: held = [] }) {
    const wordsOf = ({ site, owner, row = page.download }) =>
      owner === undefined // a banner
        ? [sites[site]]
        : [sites[site], owners[owner], queue, held.includes(row) && "paused"];
    for (const part of document.querySelectorAll("[data-waiting]")) {
      if (part.dataset.waiting !== wordsOf(part.dataset).filter(Boolean).join(" ")) refreshPart(part);
    }
    if (!rows.exists) return;
    const isTold = (host) => document.querySelector(`#banners [data-site="${CSS.escape(host)}"]`);
    const isUntold = ([host, word]) => !word.startsWith("site_") && !isTold(host);
    const isOtherQueue = (byId("banners").dataset.queue ?? queue) !== queue;
    if (isOtherQueue || Object.entries(sites).some(isUntold)) refreshBanners();
  },
  resync: refreshAll,
  // Another session may be signed in by now: its forms have other tokens.
  bye: ({ why }) => why === "signed_out" && refreshAll(),
};

const connection = connect({
  key: page.user,
  url: new URL(page.events, location.href).href,
  seq: Number(page.seq),
  onEvent: (name, data) => HANDLERS[name]?.(data),
  onChange: showAll,
});
const { link } = connection;
const { show, onTransition, leave } = watch(link, (sentence) => tell("said", sentence));

begin({
  isPaused: () => status.paused,
  onSignedOut: () => connection.ask("retry"), // it will say so
  onAnswer(isOne) {
    noteAnswer(isOne);
    showAll();
  },
});

function showAll() {
  patch.setClock(link.clockMs);
  show();
  writeTitle();
}

function writeStats() {
  const { counts, outcomes, speed, free, workers } = newestStats;
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  const totals = { all: sum(Object.values(counts)), ...outcomes };
  for (const [name, states] of Object.entries(COUNTED))
    totals[name] = sum(states.map((state) => counts[state]));
  activeCount = totals.active;
  for (const count of document.querySelectorAll("[data-count]")) {
    if (count.dataset.count in totals) patch.write(count, String(totals[count.dataset.count]));
  }
  patch.write(byId("speed"), speed ? `${size(speed)}/s` : "—");
  patch.write(byId("free"), free === null ? "—" : size(free));
  writeTitle();
  if (!workers !== (byId("banners").dataset.workers === "0")) refreshBanners();
}

// Somebody left the queue: the places of those behind are others.
function queueMoved() {
  queueTimer = null;
  for (const id of rows.queuedIds()) changed.add(id);
  if (changed.size) refreshSoon();
}

// Something in this element is no longer as it was drawn.
function refreshPart(element) {
  if (element.closest("#banners")) return refreshBanners();
  changed.add(element.closest("[data-row]")?.dataset.row ?? page.download);
  return refreshSoon();
}

function showProgress() {
  progressTimer = null;
  progressAt = performance.now();
  if (!status.paused) for (const item of progress.values()) onProgress(item);
  progress.clear();
  if (performance.now() - tickedAt > TICK_MS * 0.9) tick();
  writeTitle();
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
  tell("said", byId("gone").textContent.trim());
}

function writeTitle() {
  const { isLost } = status;
  const bars = isLost ? [] : [...document.querySelectorAll("[data-progress] progress[value]")];
  const active = isLost || !rows.exists ? 0 : activeCount;
  const own = rows.exists ? !active && say("downloads") : document.querySelector("h1").textContent;
  signs.writeTitle({
    percent: bars.length ? bars.reduce((sum, bar) => sum + bar.value, 0) / bars.length : null,
    active,
    name: isLost ? say("stale") : own,
  });
}

// What the person does.

byId("pause").addEventListener("click", () => {
  pause(!status.paused);
  if (status.paused) return;
  if (newestStats && rows.exists) writeStats();
  if (rows.exists) gone.forEach(rows.drop);
  refreshSoon();
});

function pause(isPaused) {
  status.paused = isPaused;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  showChip();
}

byId("chip-retry").addEventListener("click", () => {
  connection.ask("retry");
  refreshNow();
});

document.addEventListener("vnsite:added", (event) => rows.expect(event.detail));
document.addEventListener("vnsite:changed", (event) => onOwn(event.detail));

// Somebody's own action is shown, whatever is paused.
function onOwn(ids) {
  for (const id of ids) changed.add(id);
  refreshSoon(true);
}

document.addEventListener("submit", ({ target }) => {
  if (target.getAttribute("action")?.endsWith("/logout/")) connection.ask("recheck"); // for the other pages
});

// Answers to the buttons of one download (`data-act`): htmx puts a refusal (409) beside the button,
// where patch.js keeps it when the part is drawn again.

document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  const { sourceElement, response } = ctx;
  if (sourceElement.dataset.act) ctx.target = placeOf(ctx); // its row may have been drawn again
  if (response.raw.redirected) {
    event.preventDefault();
    connection.ask("retry");
    alarm(say("signed_out"));
  } else if (sourceElement.dataset.act && response.status >= 400 && response.status !== 409) {
    event.preventDefault();
    refuse(ctx, say("failed_action", { status: response.status }));
    if (response.status === 403) refreshAll(); // its token may be of an older session
  } else if (sourceElement.localName === "details" && response.status >= 400) {
    event.preventDefault(); // a menu keeps what it holds: the way to the page
  }
});

document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (ctx.sourceElement.dataset.act) refuse(ctx, say("unreachable"));
});

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  const { act, of } = ctx.sourceElement.dataset;
  if (!act) return;
  const notes = [...placeOf(ctx).children];
  setTimeout(() => {
    for (const note of notes) note.remove();
  }, NOTE_MS);
  onOwn([of]);
});

function placeOf({ sourceElement, target }) {
  const { of } = sourceElement.dataset;
  const part = byId(`download-${of}`) ?? document.querySelector(`[data-about="${of}"]`);
  return part?.querySelector("[data-note]") ?? target;
}

function refuse(ctx, sentence) {
  const note = document.createElement("p");
  [note.className, note.role, note.textContent] = ["refusal is-error", "alert", sentence];
  placeOf(ctx).replaceChildren(note);
}

// Time.

let idleTimer = null;

function closeWhenIdle() {
  if (COUNTED.active.some((state) => newestStats?.counts[state])) {
    idleTimer = setTimeout(closeWhenIdle, IDLE_MS);
    return;
  }
  leave();
  connection.close();
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(idleTimer);
  if (document.hidden) idleTimer = setTimeout(closeWhenIdle, IDLE_MS);
  else if (!connection.isOpen || link.state === "signed-out") connection.open();
});
addEventListener("pagehide", () => connection.close());
addEventListener("pageshow", (event) => event.persisted && connection.open());

// Together with the numbers of progress when these come: each drawing costs a frame.
function tick() {
  clearTimeout(tickTimer);
  tickTimer = setTimeout(tick, TICK_MS * 1.1);
  tickedAt = performance.now();
  patch.writeTimes();
  patch.takeDue().forEach(refreshPart);
  patch.expireNumbers(status.isLost);
  showChip();
  if (rows.exists) signs.drawSpeed(status.isLost ? 0 : (newestStats?.speed ?? 0));
}

tick();
showAll();
pause(page.paused === "1");
connection.open();
