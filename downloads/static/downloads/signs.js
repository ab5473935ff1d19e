// What is seen without looking at the page: its title and icon; a line of the total speed; and
// messages, which stay in a list when they have gone.

import { write } from "./patch.js";
import { locale, say } from "./words.js";

const POINTS = 60; // of the line, one a second
const TOAST_MS = 8_000;
const MOST_MESSAGES = 20;

const page = document.body.dataset;
const icon = document.querySelector("link[rel=icon]");
const byId = (id) => document.getElementById(id);
const idle = icon.href;
let shown = idle;
const speeds = [];
let unseen = 0; // failures while nobody looked
let last = {};

export function onTransition({ to }) {
  if (to === "failed" && document.hidden) unseen += 1;
}

// `percent` null: of nothing; `active` running downloads; `name` false: none.
export function writeTitle(state) {
  last = state;
  const parts = [
    unseen && `(!) ${say("failed_unseen", { n: unseen })}`,
    state.percent !== null && `${Math.floor(state.percent)} %`,
    state.active && say("active", { n: state.active }),
    state.name,
    "vnsite",
  ];
  const title = parts.filter(Boolean).join(" · ");
  if (document.title !== title) document.title = title;
  const isActive = state.active > 0 || state.percent !== null;
  const wanted = unseen ? page.iconFailed : isActive ? page.iconActive : idle;
  if (shown !== wanted) icon.href = shown = wanted;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !unseen) return;
  unseen = 0;
  writeTitle(last);
});

export function drawSpeed(speed) {
  const line = byId("spark")?.querySelector("polyline");
  if (!line || document.hidden) return;
  speeds.push(speed);
  if (speeds.length > POINTS) speeds.shift();
  const most = Math.max(...speeds, 1);
  const from = POINTS - speeds.length;
  line.setAttribute(
    "points",
    speeds.map((each, x) => `${from + x},${(15 - (14 * each) / most).toFixed(1)}`).join(" "),
  );
}

let toastTimer = null;

export function toast(sentence) {
  clearTimeout(toastTimer);
  write(byId("toast"), sentence);
  byId("toast").hidden = false;
  toastTimer = setTimeout(() => {
    byId("toast").hidden = true;
  }, TOAST_MS);
  const item = document.createElement("li");
  item.textContent = `${new Date().toLocaleTimeString(locale)} ${sentence}`;
  byId("recent").hidden = false;
  byId("recent").querySelector("ol").prepend(item);
  byId("recent")
    .querySelector(`li:nth-child(${MOST_MESSAGES + 1})`)
    ?.remove();
}
