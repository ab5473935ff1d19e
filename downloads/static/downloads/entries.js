// The table of a list's entries: Shift and click ticks a range, and the number and the length of
// the ticked ones are shown. Without this module it is a form as any.

import { duration } from "./format.js";
import { write } from "./patch.js";

let last = null; // the box that was clicked last

const byId = (id) => document.getElementById(id);
const boxes = () => [...document.querySelectorAll("#choose [name=position]")];

document.addEventListener("click", (event) => {
  const box = event.target;
  if (box.name !== "position") return;
  if (event.shiftKey && last?.isConnected) tickBetween(last, box);
  last = box;
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

// The browser keeps the ticks of a page that somebody comes back to.
addEventListener("pageshow", show);
show();

function tickBetween(one, other) {
  const all = boxes();
  const [from, to] = [all.indexOf(one), all.indexOf(other)].sort((a, b) => a - b);
  for (const box of all.slice(from, to + 1)) box.checked = other.checked;
}

function choose(way) {
  document.querySelector(`#choose [name=which][value=${way}]`).checked = true;
  show();
}

function show() {
  if (!byId("choose")) return;
  const all = boxes();
  const ticked = all.filter((box) => box.checked);
  const seconds = ticked.reduce((sum, box) => sum + Number(box.dataset.seconds), 0);
  const together = seconds ? `, together ${duration(seconds)}` : "";
  write(byId("ticked"), ticked.length ? `${ticked.length} ticked${together}` : "Nothing is ticked.");
  const way = document.querySelector("#choose [name=which]:checked")?.value;
  const number = way === "ticked" && ticked.length ? ` ${ticked.length}` : "";
  write(document.querySelector("#add-entries span"), `Add${number}`);
  const tickAll = byId("tick-all");
  if (!tickAll) return;
  tickAll.checked = ticked.length === all.length;
  tickAll.indeterminate = ticked.length > 0 && ticked.length < all.length;
}
