// What a film's own controls do not do: its position is kept for all devices of the person; chapters,
// speed, keys. The page loads it when there is a film; without it, the film plays and goes on where it was.

const EVERY_MS = 10_000; // between two writings while it plays
const LEAST_S = 1; // from what was written last
const STEP_S = 10;
const RATE = "vnsite:speed";

let writtenAt = 0;
let written = null; // seconds
let sent = Promise.resolve(); // when the last one was answered

const one = (selector) => document.querySelector(`.player ${selector}`);
const media = () => one(":is(video, audio)");
const dataOf = (film) => film.closest(".player").dataset;

// A film may be drawn again: its events are heard from above, where they do not come by themselves.
function on(names, hear) {
  for (const name of names)
    document.addEventListener(name, (event) => event.target === media() && hear(event.target, event), true);
}

function write(film, least = LEAST_S, atOnce = false) {
  const { position, resume } = dataOf(film);
  const seconds = film.currentTime;
  if (Math.abs(seconds - (written ?? resume)) <= least) return;
  written = seconds;
  writtenAt = performance.now();
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const duration = Number.isFinite(film.duration) ? film.duration : 0;
  const send = () =>
    fetch(position, {
      method: "PUT",
      keepalive: true, // also when the page is left
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
      body: JSON.stringify({ seconds, duration }),
    }).catch(() => {}); // the next one comes
  sent = atOnce ? send() : sent.then(send); // of two at once, either may be kept
}

on(["playing"], (film) => {
  film.dataset.begun = ""; // refresh.js leaves it alone
  tellSystem(film);
});
on(["timeupdate"], (film) => {
  if (!film.paused && performance.now() - writtenAt > EVERY_MS) write(film);
  showChapter(film);
});
// Where a film stands still is kept to the second.
on(["pause", "seeked"], (film) => write(film, film.paused ? 0 : LEAST_S));

// A page that is left, or a phone that is put away: both may be the last that is heard of it.
function leave() {
  const film = media();
  if (film?.played.length) write(film, 0, true);
}
// What is sent while a page goes is lost now and then on a busy machine: it is sent before.
for (const name of ["beforeunload", "pagehide"]) addEventListener(name, leave);
document.addEventListener("visibilitychange", () => document.hidden && leave());

function showChapter(film) {
  const chapters = [...document.querySelectorAll(".chapters a")];
  const now = chapters.findLast(({ dataset }) => dataset.seconds <= film.currentTime);
  for (const chapter of chapters) chapter.ariaCurrent = chapter === now ? "true" : null;
}

// A codec without a picture is no error for a browser: it plays the sound alone.
function judge(film) {
  const types = dataOf(film).types.split("\n").filter(Boolean);
  one("#unplayable").hidden = !film.error && types.every((type) => film.canPlayType(type));
}

function setRate(film, rate) {
  film.playbackRate = one("#speed").value = rate;
  localStorage.setItem(RATE, rate);
}

function begin(film) {
  judge(film);
  setRate(film, localStorage.getItem(RATE) ?? "1");
  one("#pip").hidden = !document.pictureInPictureEnabled || !film.requestPictureInPicture;
}

const togglePicture = (film) =>
  document.pictureInPictureElement ? document.exitPictureInPicture() : film.requestPictureInPicture?.();

function step(film, seconds) {
  film.currentTime += seconds;
}

function captions(film) {
  const tracks = [...film.textTracks];
  const isShown = tracks.some(({ mode }) => mode === "showing");
  for (const track of tracks) track.mode = "disabled";
  if (tracks.length && !isShown) tracks[0].mode = "showing";
}

function changeRate(film, by) {
  const rates = [...one("#speed").options].map(({ value }) => value);
  setRate(film, rates[rates.indexOf(one("#speed").value) + by] ?? one("#speed").value);
}

// As web/help.py lists them.
const KEYS = {
  k: (film) => (film.paused ? film.play() : film.pause()),
  j: (film) => step(film, -STEP_S),
  l: (film) => step(film, STEP_S),
  m: (film) => {
    film.muted = !film.muted;
  },
  f: (film) => (document.fullscreenElement ? document.exitFullscreen() : film.requestFullscreen()),
  c: captions,
  i: togglePicture,
  "<": (film) => changeRate(film, -1),
  ">": (film) => changeRate(film, 1),
  n: () => one("[rel=next]")?.click(),
  p: () => one("[rel=prev]")?.click(),
};

on(["keydown"], (film, event) => {
  const isLetter = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!isLetter || document.body.dataset.keys !== "1" || !Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key](film);
});

// The keys of a keyboard or a headset, and what a phone shows while it is locked.
function tellSystem(film) {
  const session = navigator.mediaSession;
  if (!session) return;
  const { title, artist, picture } = dataOf(film);
  session.metadata = new MediaMetadata({ title, artist, artwork: picture ? [{ src: picture }] : [] });
  const does = {
    seekbackward: () => step(media(), -STEP_S),
    seekforward: () => step(media(), STEP_S),
    seekto: ({ seekTime }) => {
      media().currentTime = seekTime;
    },
    previoustrack: one("[rel=prev]") && (() => one("[rel=prev]").click()),
    nexttrack: one("[rel=next]") && (() => one("[rel=next]").click()),
  };
  for (const [name, hear] of Object.entries(does)) session.setActionHandler(name, hear);
}

document.addEventListener("click", (event) => {
  const film = media();
  const chapter = event.target.closest?.(".chapters a");
  if (event.target.closest?.("#pip")) togglePicture(film);
  if (!chapter || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  film.currentTime = chapter.dataset.seconds;
});
document.addEventListener("change", ({ target }) => target.id === "speed" && setRate(media(), target.value));

on(["loadedmetadata"], begin);
on(["error"], judge);
if (media()) begin(media());
