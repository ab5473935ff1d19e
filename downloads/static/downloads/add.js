// The form that adds links: it grows, adds with Enter, and takes what is pasted or dropped anywhere.
// htmx sends it, and asks the server what is in it. Without either it is sent as any form.

const MOST_LINES = 8;
const section = document.getElementById("adding");
const byId = (id) => document.getElementById(id);
let before = ""; // what the box held before the last paste

navigator.serviceWorker?.register(section.dataset.worker).catch(() => {}); // the next page tries again

function grow() {
  const field = byId("id_urls");
  field.rows = Math.min(MOST_LINES, field.value.split("\n").length);
}

function ask(element, event) {
  element.dispatchEvent(new Event(event, { bubbles: true }));
}

function put(value) {
  const field = byId("id_urls");
  field.value = value;
  field.focus();
  ask(field, "input");
}

// The server reads files, into the box. Of a part of a page its links are taken.
function take(data) {
  if (data.files.length) {
    byId("id_file").files = data.files;
    ask(byId("id_file"), "change");
    return;
  }
  const plain = data.getData("text/uri-list") || data.getData("text/plain");
  const page = new DOMParser().parseFromString(data.getData("text/html"), "text/html");
  const text = /:\/\/|www\./.test(plain) ? plain : [...page.links].join("\n") || plain;
  if (!text.trim()) return;
  before = byId("id_urls").value;
  put([before.trimEnd(), text.trim()].filter(Boolean).join("\n"));
  byId("add-undo").hidden = false;
}

section.addEventListener("input", (event) => {
  if (event.target.id !== "id_urls") return;
  byId("add-undo").hidden = true;
  grow();
});
byId("add-undo").addEventListener("click", () => put(before));

// Enter adds one link; with more it is a new line, and Ctrl+Enter adds. In a preset's name it saves that.
section.addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.key !== "Enter" || event.isComposing) return;
  const isOneLine = !field.value?.trim().includes("\n") && !event.shiftKey;
  const adds = field.id === "id_urls" && (event.ctrlKey || event.metaKey || isOneLine);
  if (!adds && field.id !== "id_preset_name") return;
  event.preventDefault();
  if (adds) byId("add").requestSubmit();
  else byId("add-save").click();
});

document.addEventListener("paste", (event) => {
  if (!event.target.closest("input, select, textarea, dialog")) take(event.clipboardData);
});

let isOurs = false; // something of this page is dragged
const holds = (event) => !isOurs && event.dataTransfer.types.some((type) => /^Files$|^text\//.test(type));
document.addEventListener("dragstart", () => {
  isOurs = true;
});
document.addEventListener("dragend", () => {
  isOurs = false;
});
document.addEventListener("dragover", (event) => {
  if (!holds(event)) return;
  event.preventDefault();
  byId("drop").hidden = false;
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) byId("drop").hidden = true;
});
document.addEventListener("drop", (event) => {
  byId("drop").hidden = true;
  if (!holds(event)) return;
  event.preventDefault();
  take(event.dataTransfer);
});

// Only an answer of ours is put into the page, and not what is said of a form that was sent meanwhile.
for (const moment of ["htmx:before:response", "htmx:before:swap"]) {
  document.addEventListener(moment, (event) => {
    const { sourceElement, sourceEvent, response } = event.detail.ctx;
    if (!section.contains(sourceElement)) return;
    if (sourceElement === section && !sourceEvent.target.isConnected) event.preventDefault();
    if (response.raw.redirected || response.status === 403) tell(event, section.dataset.signedOut);
    else if (response.status === 400) tell(event, section.dataset.tooMuch);
    else if (response.status >= 400 && response.status !== 422) tell(event, section.dataset.failed);
  });
}
section.addEventListener("htmx:error", (event) => tell(event, section.dataset.unreachable));
section.addEventListener("htmx:after:swap", grow);

function tell(event, sentence) {
  event.preventDefault();
  byId("add-note").textContent = sentence;
}

grow();
