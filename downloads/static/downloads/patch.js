// Changes of the page in place: numbers, times, and parts that the server drew again. What has the
// focus keeps it, and what did not change is not touched.

import { ago, duration, size } from "./format.js";
import { lang, locale, say } from "./words.js";

const FRESH_MS = 10_000; // older speeds and remaining times say nothing about now
const LOCAL = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
const ROUND_UP_MS = 59_000; // to the minute: what is said to end then has ended
const DUE_SLACK_MS = 500; // the server must think so as well
const localised = new WeakSet(); // <time> elements: to format an instant costs more than all else
const patchedAt = new WeakMap(); // progress element → when its numbers came

// The server's clock minus ours: "2 min ago" must not depend on a wrong clock of the browser.
let clockMs = 0;

export const serverNow = () => Date.now() + clockMs;

export function setClock(ms) {
  clockMs = ms;
}

export function writeTimes(root = document) {
  for (const time of root.querySelectorAll("time[data-ago], time[data-local], time[data-clock]")) {
    const instant = Date.parse(time.dateTime);
    if ("ago" in time.dataset) write(time, ago((Date.now() + clockMs - instant) / 1000));
    if (localised.has(time)) continue;
    localised.add(time);
    time.title = LOCAL.format(instant);
    if ("local" in time.dataset) write(time, time.title);
    if ("clock" in time.dataset) write(time, CLOCK.format(instant + ROUND_UP_MS));
  }
}

// The instants that have come for which something was to happen; each once.
export function takeDue() {
  const now = Date.now() + clockMs - DUE_SLACK_MS;
  const come = [...document.querySelectorAll("time[data-due]")].filter(
    (time) => Date.parse(time.dateTime) < now,
  );
  for (const time of come) delete time.dataset.due;
  return come;
}

// Replace the part of the page that has the id of `fresh`. Says whether it was there.
export function swap(fresh) {
  const old = document.getElementById(fresh.id);
  if (!old) return false;
  writeTimes(fresh);
  // As htmx marks what it has wired.
  for (const asks of fresh.querySelectorAll("[hx-post], [hx-get]")) asks.dataset.htmxPowered = "true";
  if (old.isEqualNode(fresh)) return true;
  keepOpen(old, fresh);
  fresh.querySelector("[data-note]")?.append(...(old.querySelector("[data-note]")?.children ?? []));
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  old.replaceWith(fresh);
  globalThis.htmx?.process(fresh);
  if (focused) refocus(fresh, focused);
  return true;
}

// A button may be gone when its download ended: then the focus goes to what stands for the part.
function refocus(fresh, focused) {
  const same = [...fresh.querySelectorAll("a, button, summary, input")].find(
    (candidate) => nameOf(candidate) === nameOf(focused),
  );
  const target = same ?? fresh.querySelector("a, summary, button");
  target?.focus({ preventScroll: true });
}

function nameOf(element) {
  return `${element.tagName} ${element.href ?? element.dataset.act ?? element.textContent}`;
}

function keepOpen(old, fresh) {
  const before = new Map(detailsOf(old).map((details) => [summaryOf(details), details.open]));
  for (const details of detailsOf(fresh)) details.open = before.get(summaryOf(details)) ?? details.open;
}

const detailsOf = (part) => [...part.querySelectorAll("details")];
const summaryOf = (details) => details.querySelector("summary").textContent;

export function progressOf(id) {
  return document.querySelector(`[data-progress="${id}"]`);
}

function resumedAt({ resumed, total }) {
  return resumed && total ? say("resumed", { n: Math.floor((100 * resumed) / total) }) : "";
}

// One item of a `progress` event. Says whether the phase is another one than before.
export function patchProgress(element, item) {
  const phaseChanged = element.dataset.phase !== item.phase;
  element.dataset.phase = item.phase;
  patchedAt.set(element, performance.now());
  const at = (name) => element.querySelector(`[data-at="${name}"]`);
  const percent = item.total ? Math.min(100, (100 * item.bytes) / item.total) : null;
  const bar = element.querySelector("progress");
  if (percent === null) bar.removeAttribute("value");
  else bar.value = percent;
  write(at("phase"), say(`phase_${item.phase}`));
  write(at("percent"), percent === null ? "" : `${Math.floor(percent)} %`);
  write(at("bytes"), received(item));
  const { fragment: n, fragments: all } = item;
  write(at("fragments"), all ? say("fragment", { n, all }) : "");
  write(at("resumed"), resumedAt(item));
  write(at("speed"), item.speed === null ? "" : `${size(item.speed)}/s`);
  write(at("eta"), item.eta === null ? "" : say("left", { duration: duration(item.eta) }));
  return phaseChanged;
}

function received(item) {
  if (item.entries) return say("so_far", { n: item.entries.toLocaleString(lang) });
  if (!item.bytes) return "";
  const bytes = size(item.bytes);
  return item.total ? say("of", { bytes, total: size(item.total) }) : bytes;
}

// Speed and remaining time that are too old turn to a dash, or say for how long nothing has come.
export function expireNumbers(everything = false) {
  for (const element of document.querySelectorAll("[data-progress]")) {
    if (!patchedAt.has(element)) patchedAt.set(element, performance.now());
    const ms = performance.now() - patchedAt.get(element);
    if (!everything && ms < FRESH_MS) continue;
    for (const name of ["speed", "eta"]) {
      const number = element.querySelector(`[data-at="${name}"]`);
      if (number?.textContent.trim()) write(number, "—");
    }
    if (everything || element.dataset.phase !== "fetching") continue;
    write(element.querySelector('[data-at="eta"]'), say("no_bytes", { duration: duration(ms / 1000) }));
  }
}

export function write(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}
