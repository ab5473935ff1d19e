// Shortcuts of one letter, as web/help.py lists them. <body data-keys="0"> switches them off.

const one = (selector, within = document) => within.querySelector(selector);
const OF_PAGE = { "/": "[type=search]", n: "#id_urls", p: "#pause", "?": "#keys" };
const OF_ROW = { x: "[name=ids]", c: "[data-act=cancel]", r: "[data-act=retry]", e: "#part-problem summary" };
const TYPED_INTO =
  "input:not([type=checkbox], [type=radio], [type=file]), textarea, select, video, audio, dialog, [popover]";
let isGoing = false; // "g" was pressed

const isOn = document.body.dataset.keys === "1";

for (const key of ["/", "n", "p"]) if (isOn) one(OF_PAGE[key])?.setAttribute("aria-keyshortcuts", key);

addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (!isOn || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.closest(TYPED_INTO)) return;
  const meant = find(key, target.closest(".row"));
  isGoing = key === "g";
  if (!meant) return;
  event.preventDefault();
  if (meant.matches("dialog")) show(meant);
  else if (meant.matches(".title, summary, [type=search], textarea")) meant.focus();
  else meant.click();
});

function show(dialog) {
  htmx.process(dialog); // a key can come before htmx has looked at the page
  dialog.dispatchEvent(new Event("vnsite:asked")); // htmx loads what it lists
  dialog.showModal();
}

function find(key, row) {
  if (isGoing) return one(`[data-go="${CSS.escape(key)}"]`);
  if (key === "t") return one("#themes [aria-pressed=true] + button") ?? one("#themes button");
  if (OF_PAGE[key]) return one(OF_PAGE[key]);
  const titles = [...document.querySelectorAll(".row .title")];
  const step = { j: 1, k: -1 }[key];
  if (step) return titles[titles.findIndex((title) => row?.contains(title)) + step];
  if (key === "e" && row) location.assign(`${one(".title", row).href}#part-problem`);
  // On a list the row in focus is meant, elsewhere the page.
  return OF_ROW[key] && (row || !titles.length) ? one(OF_ROW[key], row ?? document) : null;
}

// The menu's form, drawn again by the server, says which theme was chosen.
addEventListener("htmx:after:swap", () => {
  document.documentElement.dataset.theme = one("#themes").dataset.chosen;
});
