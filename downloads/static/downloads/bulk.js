// Many downloads at once: the selection, and what is done with it. Without this module the boxes and
// the bar are a form, and what asks first is a page.

const byId = (id) => document.getElementById(id);
const [list, form, dialog, whole] = ["rows", "many", "question", "whole-page"].map(byId);
const matching = byId("all-matching");
const selected = new Set(); // correlation ids: a row that is drawn again keeps its tick
let last = ""; // which box was clicked before

const boxes = () => [...list.querySelectorAll("[name=ids]")];

function show() {
  const all = boxes();
  const ticked = all.filter((box) => box.checked);
  selected.clear();
  for (const box of ticked) selected.add(box.value);
  whole.checked = ticked.length === all.length;
  whole.indeterminate = ticked.length > 0 && !whole.checked;
  byId("selected").textContent = ticked.length;
  const wasHidden = matching.hidden;
  matching.hidden = !whole.checked || byId("next-page").hidden;
  if (matching.hidden) matching.control.checked = false;
  else if (wasHidden) count();
}

async function count() {
  const { state, q } = form.elements;
  const response = await fetch(
    `${form.getAttribute("action")}?${new URLSearchParams({ state: state.value, q: q.value })}`,
  );
  if (response.ok) byId("matching").textContent = await response.text();
}

function tick(isTicked, boxesToTick = boxes()) {
  for (const box of boxesToTick) box.checked = isTicked;
  show();
}

list.addEventListener("click", ({ target, shiftKey }) => {
  if (target.name !== "ids") return;
  const all = boxes();
  const [from, to] = [all.findIndex((box) => box.value === last), all.indexOf(target)].sort((a, b) => a - b);
  last = target.value;
  tick(target.checked, shiftKey && from >= 0 ? all.slice(from, to + 1) : []);
});
whole.addEventListener("change", () => tick(whole.checked));
matching.addEventListener("change", () => {
  byId("selected").textContent = matching.control.checked ? byId("matching").textContent : selected.size;
});
const retick = () =>
  selected.size &&
  tick(
    true,
    boxes().filter((box) => selected.has(box.value)),
  );
new MutationObserver(retick).observe(list, { childList: true });

document.addEventListener("submit", (event) => {
  const { target, submitter } = event;
  if (!target.elements.action) return; // of something else
  event.preventDefault();
  send(target.getAttribute("action"), new FormData(target, submitter));
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-question], [data-close]");
  if (!link) return;
  event.preventDefault();
  if ("close" in link.dataset) dialog.close();
  else send(link.href);
});

async function send(url, body) {
  const headers = { "X-Requested-With": "fetch" };
  const response = await fetch(url, { method: body ? "POST" : "GET", body, headers }).catch(() => null);
  if (response?.redirected) return location.reload(); // signed out
  const isPage = !response || response.headers.get("content-type").startsWith("text/html");
  const text = await response?.text();
  if (isPage && response?.ok) return ask(text);
  const [note, wasAsked] = [byId("bulk-note"), dialog.open];
  dialog.close();
  note.textContent = isPage ? form.dataset.away : text; // a page tells of an error
  if (wasAsked) note.focus(); // a row that has the focus would stay
  document.dispatchEvent(new CustomEvent("vnsite:changed", { detail: [...selected] }));
  if (!response?.ok) return;
  tick(false);
  list.dispatchEvent(new Event("change")); // as by hand: rows that waited for it may come in
}

function ask(html) {
  dialog.innerHTML = html;
  if (!dialog.open) dialog.showModal();
  const links = dialog.querySelector("textarea");
  links?.select(); // where there is no clipboard: ready for Ctrl+C
  if (links) navigator.clipboard?.writeText(links.value);
}

matching.hidden = true;
show();
