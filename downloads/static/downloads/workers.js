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
