// [data-copy="ID"] copies the text of that element, without an ID the address of the link behind it. A
// page of a LAN has no clipboard: there the text is selected, and the button says what to press.

import { say } from "./words.js";

const SAID_MS = 4_000;

function addressBehind(button) {
  const shown = document.createElement("span");
  [shown.className, shown.textContent] = ["hidden", button.nextElementSibling.getAttribute("href")];
  button.before(shown);
  setTimeout(() => shown.remove(), SAID_MS);
  return shown;
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy) ?? addressBehind(button);
  const word = button.querySelector("span");
  const before = word.textContent;
  if (navigator.clipboard) await navigator.clipboard.writeText(source.textContent);
  else {
    source.classList.remove("hidden"); // else nothing is selected
    getSelection().selectAllChildren(source);
  }
  word.textContent = say(navigator.clipboard ? "copied" : "press_copy");
  setTimeout(() => {
    word.textContent = before;
  }, SAID_MS);
});
