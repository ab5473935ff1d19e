// Many downloads at once: the selection, and what is done with it. Without this module the boxes and
// the bar are a form, and what asks first is a page.

const list = document.getElementById("rows");
const bar = document.getElementById("bulk");
const form = document.getElementById("many");
const dialog = document.getElementById("question");
const note = document.getElementById("bulk-note");
const whole = document.getElementById("whole-page");
const all = bar.querySelector("[name=all]");
const selected = new Set(); // correlation ids: a row that is drawn again keeps its tick
let last = null; // the box that was clicked before

const boxes = () => [...list.querySelectorAll("[name=ids]")];

function show() {
  const ticked = boxes().filter((box) => box.checked);
  const isWhole = ticked.length === boxes().length;
  selected.clear();
  for (const box of ticked) selected.add(box.value);
  whole.checked = isWhole;
  whole.indeterminate = !isWhole && ticked.length > 0;
  bar.querySelector("#selected b").textContent = ticked.length;
  all.closest("label").hidden = !isWhole || document.getElementById("next-page").hidden;
  if (all.closest("label").hidden) all.checked = false;
  else count();
}

async function count() {
  const query = new URLSearchParams(new FormData(form));
  const response = await fetch(`${form.action}?${query}`);
  if (response.ok) document.getElementById("matching").textContent = await response.text();
}

list.addEventListener("click", (event) => {
  const box = event.target.closest("[name=ids]");
  if (!box) return;
  const [from, to] = [boxes().findIndex((each) => each.value === last), boxes().indexOf(box)];
  if (event.shiftKey && from >= 0)
    for (const each of boxes().slice(Math.min(from, to), Math.max(from, to) + 1)) each.checked = box.checked;
  last = box.value;
  show();
});

whole.addEventListener("change", () => {
  for (const box of boxes()) box.checked = whole.checked;
  show();
});

new MutationObserver(() => {
  for (const box of boxes()) if (selected.has(box.value)) box.checked = true;
  if (selected.size) show();
}).observe(list, { childList: true });

document.addEventListener("submit", (event) => {
  const source = event.target;
  if (source !== form && !source.closest("#question, #all-actions")) return;
  event.preventDefault();
  send(source.action, new FormData(source, event.submitter));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-question], a[data-close]");
  if (!link) return;
  event.preventDefault();
  if ("close" in link.dataset) dialog.close();
  else send(link.href);
});

async function send(url, body) {
  const answer = { method: body ? "POST" : "GET", body, headers: { "X-Requested-With": "fetch" } };
  const response = await fetch(url, answer).catch(() => null);
  if (response?.redirected) return location.reload(); // signed out: the page asks to sign in
  const text = await response?.text();
  if (response?.headers.get("content-type").startsWith("text/html")) return ask(text);
  dialog.close();
  note.textContent = text ?? "The server cannot be reached. Nothing was changed.";
  document.dispatchEvent(new CustomEvent("vnsite:changed", { detail: [...selected] }));
  if (!response?.ok) return undefined;
  for (const box of boxes()) box.checked = false;
  return show();
}

function ask(html) {
  dialog.innerHTML = html;
  if (!dialog.open) dialog.showModal();
  const links = dialog.querySelector("[data-links]");
  links?.select(); // where there is no clipboard: ready for Ctrl+C
  if (links) navigator.clipboard?.writeText(links.value);
}

show();
