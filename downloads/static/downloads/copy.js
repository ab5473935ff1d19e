// Copy buttons: [data-copy="ID"] copies the text of that element. Clipboards exist only in secure
// contexts, and a page of a LAN is none: there the text is selected, and the button says what to press.

import { say } from "./words.js";

const SAID_MS = 4_000;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const word = button.querySelector("span");
  const { textContent: before } = word;
  if (navigator.clipboard) await navigator.clipboard.writeText(source.textContent);
  else select(source);
  word.textContent = say(navigator.clipboard ? "copied" : "press_copy");
  setTimeout(() => {
    word.textContent = before;
  }, SAID_MS);
});

function select(source) {
  source.classList.remove("hidden"); // what is not painted is not copied
  getSelection().selectAllChildren(source);
}
