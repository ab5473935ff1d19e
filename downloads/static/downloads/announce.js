// Tells what happened by itself: a screen reader by regions of the page that are never replaced,
// and others by notifications of the browser. At most every 5 s, and what is alike in one sentence.

import { say } from "./words.js";

const PAUSE_MS = 5_000;
const FIRST_MS = 1_000; // the row that names a download is on its way
const ENDS = ["completed", "failed"];
const KINDS = { all: [...ENDS, "cancelled", "said"], failures: ["failed", "said"], none: [] };

export class Announcer {
  #waiting = new Map(); // kind → ids, or of "said" the sentences
  #toldAt = -PAUSE_MS;
  #isDue = false;

  // `describe(kind, id)` makes the sentence about one download, `tell(sentences)` tells them.
  constructor({
    kinds,
    describe,
    tell,
    later = (act, ms) => setTimeout(act, ms),
    now = () => performance.now(),
  }) {
    Object.assign(this, { kinds, describe, tell, later, now });
  }

  add(kind, id) {
    if (!this.kinds.includes(kind)) return;
    this.#waiting.set(kind, [...(this.#waiting.get(kind) ?? []), id]);
    if (this.#isDue) return;
    this.#isDue = true;
    this.later(() => this.#tellAll(), Math.max(FIRST_MS, this.#toldAt + PAUSE_MS - this.now()));
  }

  #tellAll() {
    this.#isDue = false;
    this.#toldAt = this.now();
    const sentences = [...this.#waiting].flatMap(([kind, ids]) => {
      if (kind === "said") return ids;
      return ids.length === 1 ? this.describe(kind, ids[0]) : say(`${kind}_many`, { n: ids.length });
    });
    this.#waiting.clear();
    this.tell(sentences);
  }
}

function describe(kind, id) {
  const place = document.getElementById(`download-${id}`) ?? document.querySelector(`[data-about="${id}"]`);
  const title = place?.querySelector(".title, h1")?.textContent.trim();
  const failure = (place?.querySelector(".failure") ?? document.querySelector(".problem h2"))?.textContent;
  if (!title) return say(`${kind}_many`, { n: 1 });
  return say(kind, { title, sentence: kind === "failed" ? (failure ?? "").trim() : "" }).trim();
}

function notify(sentence) {
  const isWanted = document.body.dataset.notifications === "1" && document.hidden;
  if (!isWanted || globalThis.Notification?.permission !== "granted") return;
  // The same of several pages is shown once.
  const shown = new Notification("vnsite", { body: sentence, tag: sentence });
  shown.onclick = () => window.focus();
}

const write = (id, text) => {
  document.getElementById(id).textContent = text;
};

// What ended, and sentences ("said").
export function announcers() {
  const kinds = KINDS[document.body.dataset.announcements] ?? KINDS.all;
  return [
    new Announcer({ kinds, describe, tell: (sentences) => write("announcer", sentences.join(" ")) }),
    new Announcer({ kinds: ENDS, describe, tell: (each) => each.forEach(notify) }),
  ];
}

export const alarm = (sentence) => write("alarm", sentence);
