// What a page says of its connection: the chip, the banner, and sentences for screen readers.

import { alarm } from "./announce.js";
import * as patch from "./patch.js";
import { changed, refreshAll } from "./refresh.js";
import { toast } from "./signs.js";
import { locale, say } from "./words.js";

const AWAY_MS = 20_000; // what was missed in so long is told
const REPLAY_MS = 2_000;
const POLL_SECONDS = 10; // while there is no stream

const byId = (id) => document.getElementById(id);
let link = null;
let unanswered = 0; // refreshes since the last that was answered
let shown = "connecting";
let wasOut = false; // signed out, and not heard since
let awaySince = null; // when this page began to miss events
let missed = 0; // transitions since it hears again

export const status = {
  paused: false,
  get isOff() {
    return link.state === "refused" || link.state === "held-back";
  },
  get isLost() {
    return ["stale", "signed-out"].includes(link.state) || (this.isOff && unanswered > 0);
  },
};

// `tell(sentence)` for screen readers.
export function watch(watched, tell) {
  link = watched;
  setInterval(() => {
    if (status.isOff && !status.paused && !document.hidden) refreshAll();
  }, POLL_SECONDS * 1_000);
  return { show: () => show(tell), onTransition: () => missed++, leave };
}

export function noteAnswer(isOne) {
  unanswered = isOne ? 0 : unanswered + 1;
}

function leave() {
  awaySince ??= link.lastAt;
  missed = 0;
}

function show(tell) {
  const { state } = link;
  document.body.classList.toggle("is-lost", status.isLost);
  wasOut ||= state === "signed-out";
  if (state === "live") {
    if (wasOut) refreshAll(); // another session may be signed in: its forms have other tokens
    wasOut = false;
    const away = awaySince ? Date.now() - awaySince : 0;
    if (away > AWAY_MS) setTimeout(() => missed && toast(say("missed", { n: missed })), REPLAY_MS);
    awaySince = null;
  } else if (awaySince === null && state !== "connecting") leave();
  if (status.isLost) {
    patch.expireNumbers(true);
    patch.write(byId("speed"), "—");
  }
  if (state !== shown && state === "signed-out") alarm(say("signed_out"));
  else if (state !== shown && (status.isOff || state === "stale")) tell(sentence());
  shown = state;
  showChip();
}

function sentence() {
  if (link.state === "signed-out") return say("signed_out");
  if (link.state === "live") return say("unanswered");
  if (!status.isOff || unanswered) {
    return say("stopped", { time: new Date(link.lastAt).toLocaleTimeString(locale) });
  }
  return `${say("off")} ${link.why || say("held_back")} ${say("polling", { n: POLL_SECONDS })}`;
}

export function showChip() {
  const isOut = link.state === "signed-out";
  const isPaused = status.paused && !isOut;
  const isWaiting = link.nextAt > 0 && !isPaused && !["live", "connecting"].includes(link.state);
  const word = isPaused ? "paused" : status.isLost && !isOut ? "stale" : link.state;
  const seconds = Math.max(0, Math.ceil((link.nextAt - Date.now()) / 1_000));
  byId("chip").dataset.state = word;
  const isCounted = isPaused && changed.size > 0;
  const written = say(isCounted ? "paused_changes" : word, { n: isCounted ? changed.size : POLL_SECONDS });
  patch.write(byId("chip-word"), written);
  patch.write(byId("chip-next"), isWaiting ? say("next_try", { n: seconds }) : "");
  const isUnheard = link.state === "live" && unanswered > 1; // one alone is tried again unnoticed
  byId("chip-retry").hidden = !isWaiting && !isUnheard;
  byId("lost").hidden = !status.isLost && !status.isOff && !isUnheard;
  byId("lost-sign-in").hidden = !isOut;
  if (!byId("lost").hidden) patch.write(byId("lost-sentence"), sentence());
}
