// The table of a list's entries: Shift and click ticks a range, what is ticked stays so on other
// pages of the list, and its number and length are shown. Without this module it is a form as any.

import { duration } from "./format.js";
import { write } from "./patch.js";
import { say } from "./words.js";

const STORE = `vnsite:ticked:${document.body.dataset.download}`;

let last = null; // the box that was clicked last
let elsewhere = new Map(); // position → seconds, of what is ticked on other pages

const byId = (id) => document.getElementById(id);
const boxes = () => [...document.querySelectorAll("#choose input[type=checkbox][name=position]")];
const entryOf = (box) => [box.value, Number(box.dataset.seconds)];

document.addEventListener("click", (event) => {
  const box = event.target;
  if (box.id === "untick") return untickAll();
  if (box.name !== "position") return undefined;
  if (event.shiftKey && last?.isConnected) tickBetween(last, box);
  last = box;
  return undefined;
});

document.addEventListener("change", ({ target }) => {
  if (!target.closest?.("#choose")) return;
  if (target.id === "tick-all") for (const box of boxes()) box.checked = target.checked;
  if (target.id === "tick-all" || target.name === "position") choose("ticked");
  show();
});

document.addEventListener("input", ({ target }) => {
  if (target.closest?.("#choose") && ["some", "first"].includes(target.name)) choose(target.name);
});

// What is refused comes back with its ticks.
document.addEventListener("submit", ({ target }) => {
  if (target.id === "choose") sessionStorage.removeItem(STORE);
});

// The browser keeps the ticks of a page that somebody comes back to.
addEventListener("pageshow", show);
tickAsBefore();
show();

function tickAsBefore() {
  const refused = byId("ticked-elsewhere")?.value.split(",").filter(Boolean) ?? [];
  elsewhere = new Map(JSON.parse(sessionStorage.getItem(STORE) ?? "[]"));
  for (const position of refused) if (!elsewhere.has(position)) elsewhere.set(position, 0);
  for (const box of boxes()) if (elsewhere.delete(box.value)) box.checked = true;
}

function tickBetween(one, other) {
  const all = boxes();
  const [from, to] = [all.indexOf(one), all.indexOf(other)].sort((a, b) => a - b);
  for (const box of all.slice(from, to + 1)) box.checked = other.checked;
}

function untickAll() {
  elsewhere.clear();
  for (const box of boxes()) box.checked = false;
  show();
}

function choose(way) {
  document.querySelector(`#choose [name=which][value=${way}]`).checked = true;
  show();
}

function show() {
  if (!byId("choose")) return;
  const all = boxes();
  const here = all.filter((box) => box.checked);
  const ticked = new Map([...elsewhere, ...here.map(entryOf)]);
  sessionStorage.setItem(STORE, JSON.stringify([...ticked]));
  byId("ticked-elsewhere").value = [...elsewhere.keys()].join(",");
  byId("untick").hidden = ticked.size === 0;
  write(byId("ticked"), inWords(ticked));
  const way = document.querySelector("#choose [name=which]:checked")?.value;
  const n = way === "ticked" && ticked.size;
  write(document.querySelector("#add-entries span"), n ? say("add_n", { n }) : say("add"));
  const tickAll = byId("tick-all");
  if (!tickAll) return;
  tickAll.checked = here.length === all.length;
  tickAll.indeterminate = here.length > 0 && here.length < all.length;
}

function inWords(ticked) {
  if (!ticked.size) return say("none_ticked");
  const seconds = [...ticked.values()].reduce((sum, each) => sum + each, 0);
  const said = [say("ticked", { n: ticked.size })];
  if (elsewhere.size) said.push(say("ticked_elsewhere", { n: elsewhere.size }));
  if (seconds) said.push(say("ticked_length", { duration: duration(seconds) }));
  return said.join(", ");
}
