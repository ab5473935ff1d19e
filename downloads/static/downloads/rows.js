// The list of the dashboard: which rows it shows, and when new ones may come in.
//
// Nothing moves under the pointer or the caret. New rows wait behind the button "n new" unless the
// top of the list is in view, nothing in it has the focus and no pointer is over something to click.
// What the person has just added comes in at once.

const list = document.getElementById("rows");
const button = document.getElementById("newer");
const pointer = matchMedia("(hover: hover)");
const expected = new Set(); // correlation ids that were added here
const held = new Map(); // correlation id → its row, which is not in the list yet

const rows = () => [...list.querySelectorAll(":scope > .row")];
const keyOf = (row) => Number(row.dataset.key);

export const exists = Boolean(list);
export const pageSize = exists ? Number(list.dataset.pageSize) : 0;
export const takesNew = exists && "takesNew" in list.dataset; // the first page, newest first

export function shownIds() {
  return rows().map((row) => row.dataset.row);
}

export function shows(id) {
  return document.getElementById(`download-${id}`) !== null;
}

// Whether its row is in the list, or waits to come in.
export function knows(id) {
  return shows(id) || held.has(id);
}

// Whether a download that the list does not show may belong to it after this transition.
export function mayJoin(transition) {
  const isNew = transition.from === null;
  return isNew || held.has(transition.correlation_id) || (takesNew && list.dataset.filter !== "all");
}

// Hold a row that the server drew and that the list does not show, if its place is on this page.
export function offer(row) {
  const last = rows().at(-1);
  const isFull = rows().length >= pageSize;
  if (isFull && keyOf(row) < keyOf(last)) return;
  held.set(row.dataset.row, row);
}

// It was deleted. Its row stays while the focus is in it.
export function drop(id) {
  held.delete(id);
  const row = document.getElementById(`download-${id}`);
  if (!row?.contains(document.activeElement)) row?.remove();
  else row.addEventListener("focusout", () => setTimeout(drop, 0, id), { once: true });
  for (const button of row?.querySelectorAll("button") ?? []) button.disabled = true;
  settle();
}

export function expect(ids) {
  for (const id of ids) expected.add(id);
}

// Let the held rows in, or say how many there are.
export function settle() {
  if (takesNew) insertHeld(isInUse() ? (id) => expected.has(id) : () => true);
  button.hidden = held.size === 0;
  const count = held.size < pageSize ? String(held.size) : `${pageSize}+`;
  if (held.size) document.getElementById("newer-count").textContent = count;
}

function isInUse() {
  return (
    list.contains(document.activeElement) ||
    (pointer.matches && list.querySelector(":is(a, button):hover")) ||
    list.getBoundingClientRect().top < 0
  );
}

function insertHeld(isWelcome) {
  const fresh = [...held].filter(([id]) => isWelcome(id));
  for (const [id, row] of fresh) {
    held.delete(id);
    expected.delete(id);
    list.insertBefore(row, rows().find((other) => keyOf(other) < keyOf(row)) ?? null);
    globalThis.htmx?.process(row);
  }
  trim();
  return fresh.map(([, row]) => row);
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
  const settleSoon = (event) => {
    // The press on the button takes the focus out of the list: it must still be there to be clicked.
    if (held.size && event.relatedTarget !== button) setTimeout(settle);
  };
  for (const calm of ["pointerout", "focusout"]) list.addEventListener(calm, settleSoon);
  addEventListener("scroll", settleSoon, { passive: true });
  button.addEventListener("click", (event) => {
    if (!takesNew) return; // a link to the first page
    event.preventDefault();
    const newest = insertHeld(() => true).sort((one, other) => keyOf(other) - keyOf(one))[0];
    settle();
    newest?.querySelector("a.title").focus();
  });
}
