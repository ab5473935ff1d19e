// The form that adds links, without leaving the page: it grows, adds with Enter, and shows what is
// wrong with which line. Without this module it is sent as any form.

const MOST_LINES = 8;

document.addEventListener("input", (event) => {
  if (event.target.id === "id_urls") grow(event.target);
});

// In the name of a preset Enter saves it; else it would add the links. In the links it adds one; with more of them it is a new line, and Ctrl+Enter adds.
document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (field.id === "id_preset_name" && event.key === "Enter" && !event.isComposing) {
    event.preventDefault();
    field.form.requestSubmit(field.nextElementSibling);
  }
  if (field.id !== "id_urls" || event.key !== "Enter" || event.isComposing) return;
  const isOneLine = !field.value.trim().includes("\n");
  if (!(event.ctrlKey || event.metaKey || (isOneLine && !event.shiftKey))) return;
  event.preventDefault();
  field.form.requestSubmit();
});

document.addEventListener("submit", (event) => {
  if (event.target.id !== "add") return;
  event.preventDefault();
  const button = event.submitter ?? event.target.querySelector("button");
  if (button.ariaDisabled === "true") return;
  button.ariaDisabled = "true";
  send(event.target, button.getAttribute("formaction")).finally(() => {
    button.ariaDisabled = "false";
  });
});

// The options follow the preset. Where they do not, the server puts both together.
document.addEventListener("change", (event) => {
  if (event.target.id === "id_preset") follow(event.target).catch(() => {});
  else if (event.target.closest(".option")) tellChanges();
});

async function follow(preset) {
  const address = `${preset.form.action}?preset=${encodeURIComponent(preset.value)}`;
  const response = await fetch(address, { headers: { "X-Requested-With": "fetch" } });
  if (response.status === 404) tell(await response.text()); // it is gone, or of another version
  if (response.redirected || !response.ok || !preset.isConnected) return;
  const choice = part(await response.text(), "add-choice");
  if (choice.querySelector("select").value !== preset.value) return; // another one was chosen since
  choice.querySelector("details").open = document.querySelector("#add-choice details").open;
  document.getElementById("add-choice").replaceWith(choice);
  choice.querySelector("select").focus();
}

function tellChanges() {
  const changed = [...document.querySelectorAll("#add .option")].filter((option) =>
    [...option.querySelectorAll("input, select")].some(isChanged),
  );
  const names = changed.map((option) => option.querySelector("label, legend").textContent);
  const summary = document.getElementById("add-summary");
  summary.dataset.drawn ??= summary.textContent;
  summary.textContent = names.length ? `Changed: ${names.join(", ")}` : summary.dataset.drawn;
}

function isChanged(control) {
  if (control.type === "checkbox") return control.checked !== control.defaultChecked;
  if (control.options) return !control.selectedOptions[0].defaultSelected;
  return control.value !== control.defaultValue;
}

async function send(form, action) {
  try {
    const response = await fetch(action ?? form.action, {
      method: "POST",
      body: new FormData(form),
      headers: { "X-Requested-With": "fetch" },
    });
    if (response.redirected) tell("You are signed out. Copy your links, then sign in again.");
    else if (response.ok || response.status === 422) show(await response.text());
    else if (response.status === 400) tell("This is too much text for one time. Add it in parts.");
    else tell(`That did not work (${response.status}). Nothing was added.`);
  } catch {
    tell("The server cannot be reached. Nothing was added.");
  }
}

function part(text, id) {
  return new DOMParser().parseFromString(text, "text/html").getElementById(id);
}

function show(text) {
  const fresh = part(text, "add");
  document.getElementById("add").replaceWith(fresh);
  const field = fresh.querySelector("textarea");
  grow(field);
  field.focus();
  const added = fresh.dataset.added?.split(",") ?? [];
  for (const name of added.length ? ["vnsite:added", "vnsite:changed"] : []) {
    document.dispatchEvent(new CustomEvent(name, { detail: added }));
  }
}

function tell(sentence) {
  document.getElementById("add-note").textContent = sentence;
}

function grow(field) {
  field.rows = Math.min(MOST_LINES, field.value.split("\n").length);
}

const field = document.getElementById("id_urls");
if (field) grow(field);
