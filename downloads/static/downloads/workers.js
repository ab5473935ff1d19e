// The page of the workers: htmx asks for its parts, but not while nobody looks, or the reader paused.

const stopped = document.getElementById("stopped");
const pause = document.getElementById("pause");
const isPoll = ({ detail }) => detail.ctx?.sourceElement?.matches("[data-poll]");
const isPaused = () => pause.getAttribute("aria-pressed") === "true";

addEventListener("htmx:before:request", (event) => {
  if (isPoll(event) && (document.hidden || isPaused())) event.preventDefault();
});

addEventListener("htmx:before:response", (event) => {
  if (!isPoll(event)) return;
  const { raw } = event.detail.ctx.response;
  if (raw.redirected) location.reload(); // to the sign-in
  if (raw.redirected) event.preventDefault();
  stopped.hidden = raw.ok;
});

addEventListener("htmx:error", (event) => {
  if (isPoll(event)) stopped.hidden = false;
});

function refresh() {
  for (const part of document.querySelectorAll("[data-poll]")) part.dispatchEvent(new Event("every"));
}

pause.addEventListener("click", () => {
  pause.setAttribute("aria-pressed", String(!isPaused()));
  refresh();
});
document.addEventListener("visibilitychange", refresh);

// How long the first byte of a stream is on its way: a proxy that buffers keeps it.
const PATIENCE_MS = 8_000;

async function timeStream(place) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  const began = performance.now();
  try {
    const answer = await fetch(place.dataset.events, { signal: stop.signal });
    if (!answer.ok) return ["refused", `${answer.status} ${await answer.text()}`];
    await answer.body.getReader().read();
    return ["came", Math.round(performance.now() - began)];
  } catch {
    return ["held", ""];
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

async function testStream(place) {
  const [outcome, words] = await timeStream(place);
  for (const said of place.querySelectorAll("[data-outcome]")) {
    said.hidden = said.dataset.outcome !== outcome;
    if (!said.hidden && words) said.querySelector("b").textContent = words;
  }
}

const place = document.getElementById("proxy");
if (place) testStream(place);
