// Asks the server for what it draws: rows or parts that changed, all at once, and the banners when
// they may say something else. One template draws them, here and on the full page.

import * as patch from "./patch.js";
import * as rows from "./rows.js";

const LEAST_MS = 8; // before one: what is committed together is asked for together
const REST = 1; // between two, times what the last one took: who is slow to answer is asked less
const MOST_REST_MS = 2_000;
const HIDDEN_MS = 700; // between two while nobody looks; what is announced finds its row after 1 s
const AFTER_ERROR_MS = 3_000;
const TASK_MS = 20; // after which a click or a key is heard, however much is drawn again
const PATIENCE_MS = 10_000; // also the age at which banners are asked for again: a disk fills

const page = document.body.dataset;
const EVERY_MS = 1_000 * Number(page.frequency ?? 0); // what the person wishes at least between two
const byId = (id) => document.getElementById(id);
const unshown = new Set(); // changed during a refresh, which may bring their rows as they were before
let everything = false;
let banners = false;
let bannersAt = performance.now();
let isOwn = false; // somebody's own action is to be shown, whatever is paused
let restUntil = 0;
let timer; // 0, undefined: none runs
let isUnderWay = false;
let asker = {};

export const changed = new Set(); // correlation ids of which we know only that they changed
export const gone = new Set(); // deleted: a refresh may still bring them

// `isPaused()`; `onAnswer(isOne)` after each refresh; `onSignedOut()` when a login answered.
export function begin(callbacks) {
  asker = callbacks;
}

// One at a time: what changes meanwhile is asked for with the next.
export function refreshSoon(forOwn = false) {
  isOwn ||= forOwn;
  if (forOwn) timer = clearTimeout(timer); // however long it was to rest
  if (timer || isUnderWay || gone.has(page.download) || (asker.isPaused() && !isOwn)) return;
  timer = setTimeout(refresh, Math.max(LEAST_MS, isOwn ? 0 : restUntil - performance.now()));
}

// What is to be asked for is not waited for any longer.
export function refreshNow() {
  timer = clearTimeout(timer);
  restUntil = 0;
  if (changed.size || everything || banners) refreshSoon();
}

export function refreshAll() {
  everything = true;
  refreshSoon();
}

export function refreshBanners() {
  banners = true;
  refreshSoon();
}

// A row that the list does not show may come with the refresh that is under way, as it was before.
export function noteUnshown(id) {
  if (isUnderWay) unshown.add(id);
}

async function refresh() {
  isUnderWay = true;
  isOwn = false;
  timer = 0;
  const [ids, all] = [[...changed], everything];
  const withBanners = banners || performance.now() - bannersAt > PATIENCE_MS;
  changed.clear();
  everything = banners = false;
  const began = performance.now();
  let rest = document.hidden ? Math.max(HIDDEN_MS, EVERY_MS) : EVERY_MS;
  try {
    if (!rows.exists) await absorb(all ? location.href : page.fragment);
    else await Promise.all([list(ids, all), withBanners && !all && absorb(page.banners)]);
    if (withBanners) bannersAt = performance.now();
    asker.onAnswer(true);
    rest = Math.max(rest, Math.min(MOST_REST_MS, REST * (performance.now() - began)));
  } catch {
    // The server is away. What was asked for is asked for again when it is back.
    for (const id of ids) changed.add(id);
    everything ||= all;
    banners ||= withBanners;
    asker.onAnswer(false);
    rest = AFTER_ERROR_MS;
  }
  isUnderWay = false;
  restUntil = performance.now() + rest;
  for (const id of [...unshown].filter(rows.knows)) changed.add(id);
  unshown.clear();
  if (changed.size || everything || banners) refreshSoon();
}

async function list(ids, all) {
  const others = ids.filter((id) => !rows.shows(id));
  // Of more than a page of them only the server knows which belong to this one.
  const isFlood = others.length > rows.pageSize;
  if (all || (isFlood && rows.takesNew)) await absorb(location.href);
  const asked = [...(all ? rows.shownIds() : ids.filter(rows.shows)), ...(isFlood ? [] : others)];
  if (!asked.length) return;
  const url = new URL(page.fragment, location.href);
  url.search = location.search;
  url.searchParams.set("ids", asked.join(","));
  await absorb(url);
}

// Somebody may be typing in a form, ticking entries, or watching the film: only their states are drawn again.
function isInUse(id) {
  const isOpen = byId(id)?.querySelector("[data-keep][open], [data-begun]");
  return isOpen || id === "add" || (id === "part-entries" && byId("entries"));
}

async function absorb(url) {
  const answer = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(PATIENCE_MS) });
  if (answer.type === "opaqueredirect") return asker.onSignedOut();
  if (answer.status === 404) return undefined; // deleted meanwhile: the stream says so
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if ((fresh.body.dataset.user ?? page.user) !== page.user) return location.reload(); // another one
  useToken(fresh);
  let rested = performance.now();
  for (const part of fresh.querySelectorAll("[data-part]")) {
    if (performance.now() - rested > TASK_MS) {
      await new Promise(setTimeout);
      rested = performance.now();
    }
    if (isInUse(part.id) || gone.has(part.dataset.row) || patch.swap(part)) continue;
    const isNew = part.dataset.row && !("unmatched" in part.dataset);
    if (isNew && (rows.takesNew || url !== location.href)) rows.offer(part);
  }
  if (rows.exists) rows.settle();
  return undefined;
}

// After a new sign-in the forms of this page need the token of the new session.
function useToken(fresh) {
  const name = "[name=csrfmiddlewaretoken]";
  const token = fresh.querySelector(name)?.value;
  if (token) for (const field of document.querySelectorAll(name)) field.value = token;
}

document.addEventListener("visibilitychange", refreshNow);
