// Asks the server for what it draws: rows or parts that changed, all at once, and the banners when
// they may say something else. One template draws them, here and on the full page.

import * as patch from "./patch.js";
import * as rows from "./rows.js";

const BURST = 6; // refreshes in this time, and then one after the other
const BURST_MS = 2_000;
const BURST_OF_LIST_MS = 12_000; // of a list, whose downloads all change it
const LEAST_MS = 50; // between two: what is committed together is asked for together
const AFTER_ERROR_MS = 3_000;
const PATIENCE_MS = 10_000; // also the age at which banners are asked for again: a disk fills

const page = document.body.dataset;
const byId = (id) => document.getElementById(id);
const times = []; // when the newest refreshes began
const askedBy = new Map(); // correlation id, "" for what is no row → the newest refresh that asks for it
let number = 0;
const unshown = new Set(); // changed during a refresh, which may bring their rows as they were before
let everything = false;
let banners = false;
let bannersAt = performance.now();
let waitUntil = 0; // after an error
let timer = null;
let underWay = 0;
let asker = {};

export const changed = new Set(); // correlation ids of which we know only that they changed
export const gone = new Set(); // deleted: a refresh may still bring them

// `isPaused()`; `onAnswer(isOne)` after each refresh; `onSignedOut()` when a login answered.
export function begin(callbacks) {
  asker = callbacks;
}

export function refreshSoon() {
  if (asker.isPaused() || timer !== null || gone.has(page.download)) return;
  const span = byId("entries") ? BURST_OF_LIST_MS : BURST_MS;
  const free = times.length < BURST ? 0 : times[0] + span;
  const next = Math.max(free, (times.at(-1) ?? -LEAST_MS) + LEAST_MS, waitUntil);
  timer = setTimeout(refresh, Math.max(0, next - performance.now()));
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
  if (underWay) unshown.add(id);
}

// Several may be under way: one that asks for many rows takes long.
export async function refresh() {
  const [ids, all, own] = [[...changed], everything, ++number];
  timer = null;
  const withBanners = banners || performance.now() - bannersAt > PATIENCE_MS;
  changed.clear();
  everything = banners = false;
  times.push(performance.now());
  times.splice(0, times.length - BURST);
  if (!rows.exists || all || withBanners) askedBy.set("", own);
  underWay += 1;
  try {
    if (!rows.exists) await absorb(all ? location.href : page.fragment, own);
    else await Promise.all([list(ids, all, own), withBanners && !all && absorb(page.banners, own)]);
    if (withBanners) bannersAt = performance.now();
    asker.onAnswer(true);
  } catch {
    // The server is away. What was asked for is asked for again when it is back.
    for (const id of ids) changed.add(id);
    everything ||= all;
    banners ||= withBanners;
    waitUntil = performance.now() + AFTER_ERROR_MS;
    asker.onAnswer(false);
  }
  underWay -= 1;
  for (const id of [...unshown].filter(rows.knows)) changed.add(id);
  if (!underWay) for (const each of [unshown, askedBy]) each.clear();
  if (changed.size || everything || banners) refreshSoon();
}

async function list(ids, all, own) {
  const others = ids.filter((id) => !rows.shows(id));
  // Of more than a page of them only the server knows which belong to this one.
  const isFlood = others.length > rows.pageSize;
  if (all || (isFlood && rows.takesNew)) await absorb(location.href, own);
  const asked = [...(all ? rows.shownIds() : ids.filter(rows.shows)), ...(isFlood ? [] : others)];
  for (const id of asked) askedBy.set(id, own);
  if (!asked.length) return;
  const url = new URL(page.fragment, location.href);
  url.search = location.search;
  url.searchParams.set("ids", asked.join(","));
  await absorb(url, own);
}

// Somebody may be typing in a form, or ticking entries: only their states are drawn again.
function isInUse(id) {
  const isOpen = byId(id)?.querySelector("[data-keep][open]");
  return isOpen || id === "add" || (id === "part-entries" && byId("entries"));
}

// `own`: the number of the refresh. A row that a later one asks for comes newer with that.
async function absorb(url, own) {
  const answer = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(PATIENCE_MS) });
  if (answer.type === "opaqueredirect") return asker.onSignedOut();
  if (answer.status === 404) return undefined; // deleted meanwhile: the stream says so
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if ((fresh.body.dataset.user ?? page.user) !== page.user) return location.reload(); // another one
  useToken(fresh);
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const isOld = askedBy.get(part.dataset.row ?? "") > own;
    if (isOld || isInUse(part.id) || gone.has(part.dataset.row) || patch.swap(part)) continue;
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
