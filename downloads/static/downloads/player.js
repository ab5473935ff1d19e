// What a film's own controls do not do: its position is kept for all devices of the person. The page
// loads it when there is a film; without it, the film plays and goes on where it was.

const EVERY_MS = 10_000; // between two writings while it plays
const LEAST_S = 1; // from what was written last

let writtenAt = 0;
let written = null; // seconds

const media = () => document.querySelector(".player :is(video, audio)");

// A film may be drawn again: its events are heard from above, where they do not come by themselves.
function on(names, hear) {
  for (const name of names)
    document.addEventListener(name, (event) => event.target === media() && hear(event.target), true);
}

function write(film) {
  const { position, resume } = film.closest(".player").dataset;
  const seconds = film.currentTime;
  if (Math.abs(seconds - (written ?? resume)) < LEAST_S) return;
  written = seconds;
  writtenAt = performance.now();
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  fetch(position, {
    method: "PUT",
    keepalive: true, // also when the page is left
    headers: { "Content-Type": "application/json", "X-CSRFToken": token },
    body: JSON.stringify({ seconds, duration: Number.isFinite(film.duration) ? film.duration : 0 }),
  }).catch(() => {}); // the next one comes
}

on(["playing"], (film) => {
  film.dataset.begun = ""; // refresh.js leaves it alone
});
on(["timeupdate"], (film) => {
  if (!film.paused && performance.now() - writtenAt > EVERY_MS) write(film);
});
on(["pause", "seeked"], write);

// A page that is left, or a phone that is put away: both may be the last that is heard of it.
function leave() {
  const film = media();
  if (film?.played.length) write(film);
}
addEventListener("pagehide", leave);
document.addEventListener("visibilitychange", () => document.hidden && leave());
