// The list of the dashboard: which rows it shows, in which order, and when they may move.
//
// The server gives each row a key; keys compare as their rows follow each other. Nothing moves under
// the pointer or the caret: rows come, go to their places and leave while the top of the list is in
// view, nothing in it has the focus and no pointer is over something to click. Until then new rows
// wait behind the button "n new". What the person has just added comes in at once.

const LEAVE_MS = 10_000; // after which a row that left the filter goes
const AT_ONCE = 15; // rows that come in before a click or a key is heard

const list = document.getElementById("rows");
const button = document.getElementById("newer");
const pointer = matchMedia("(hover: hover)");
const expected = new Set(); // correlation ids that were added here
const held = new Map(); // correlation id → its row, which is not in the list yet
const leaving = new WeakSet();

const rows = () => [...list.querySelectorAll(":scope > .row")];
const byKey = (one, other) => (one.dataset.key < other.dataset.key ? -1 : 1);
const rowOf = (id) => document.getElementById(`download-${id}`);

export const exists = Boolean(list);
export const pageSize = exists ? Number(list.dataset.pageSize) : 0;
export const takesNew = exists && "takesNew" in list.dataset; // the first page

export const shownIds = () => rows().map((row) => row.dataset.row);
export const shows = (id) => rowOf(id) !== null;
// Whether its row is in the list, or waits to come in.
export const knows = (id) => shows(id) || held.has(id);

// Rows that say their place in the queue, when somebody left it.
export const queuedIds = () => rows().flatMap(({ dataset }) => (dataset.place ? [dataset.row] : []));

// Whether a download that the list does not show may belong to it after this transition.
export function mayJoin(transition) {
  if (transition.from === null || held.has(transition.correlation_id)) return true;
  return takesNew && ("isNow" in list.dataset || list.dataset.filter !== "all");
}

// Hold a row that the server drew and that the list does not show, if its place is on this page.
export function offer(row) {
  const shown = rows();
  if (shown.length >= pageSize && row.dataset.key > shown.at(-1).dataset.key) return;
  if (!takesNew && shown.length && row.dataset.key < shown[0].dataset.key) return;
  held.set(row.dataset.row, row);
}

// It was deleted. Its row stays while the focus is in it.
export function drop(id) {
  held.delete(id);
  const row = rowOf(id);
  if (!row?.contains(document.activeElement)) row?.remove();
  else row.addEventListener("focusout", () => setTimeout(drop, 0, id), { once: true });
  for (const button of row?.querySelectorAll("button") ?? []) button.disabled = true;
  settle();
}

export function expect(ids) {
  for (const id of ids) expected.add(id);
}

// Let the held rows in and put all into their order, or say how many there are.
export function settle() {
  const isCalm = !isInUse();
  const isWelcome = ({ dataset }) => isCalm || expected.has(dataset.row);
  const fresh = [...held.values()].filter(isWelcome).sort(byKey);
  letIn(fresh.slice(0, AT_ONCE));
  if (isCalm) putInOrder();
  if (fresh.length > AT_ONCE) return setTimeout(settle);
  for (const row of rows()) if ("unmatched" in row.dataset) leaveSoon(row);
  button.hidden = held.size === 0;
  const count = held.size < pageSize ? String(held.size) : `${pageSize}+`;
  if (held.size) document.getElementById("newer-count").textContent = count;
  return undefined;
}

function isInUse() {
  return (
    list.contains(document.activeElement) ||
    list.querySelector("[name=ids]:checked") ||
    list.querySelector("[data-keep][open]") ||
    (pointer.matches && list.querySelector(":is(a, button, summary, label):hover")) ||
    list.getBoundingClientRect().top < 0
  );
}

function letIn(fresh) {
  const shown = rows();
  for (const row of fresh) {
    held.delete(row.dataset.row);
    expected.delete(row.dataset.row);
    list.insertBefore(row, shown.find((other) => byKey(row, other) < 0) ?? null);
    globalThis.htmx?.process(row);
  }
  trim();
}

function putInOrder() {
  let next = list.firstElementChild;
  for (const row of rows().sort(byKey)) {
    if (row === next) next = next.nextElementSibling;
    else list.insertBefore(row, next);
  }
}

function leaveSoon(row) {
  if (leaving.has(row)) return;
  leaving.add(row);
  let timer = null;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => row.matches(":hover, :focus-within") || row.remove(), LEAVE_MS);
  };
  for (const left of ["pointerout", "focusout"]) row.addEventListener(left, wait);
  wait();
}

// What no longer fits on this page is the beginning of the next one.
function trim() {
  const surplus = rows().slice(pageSize);
  if (!surplus.length) return;
  for (const row of surplus) row.remove();
  const next = document.getElementById("next-page");
  const url = new URL(next.href);
  url.searchParams.set("after", rows().at(-1).dataset.key);
  next.href = url;
  next.hidden = false;
}

if (exists) {
  const order = document.getElementById("sort");
  order.addEventListener("change", () => order.form.requestSubmit());
  const settleSoon = (event) => {
    // The press on the button takes the focus out of the list: it must still be there to be clicked.
    if (event.relatedTarget !== button) setTimeout(settle);
  };
  for (const calm of ["pointerout", "focusout", "change"]) list.addEventListener(calm, settleSoon);
  addEventListener("scroll", () => held.size && settle(), { passive: true });
  button.addEventListener("click", (event) => {
    if (!takesNew) return; // a link to the first page
    event.preventDefault();
    const [newest] = [...held.values()].sort(byKey);
    expect(held.keys());
    settle();
    newest?.querySelector("a.title").focus();
  });
}
