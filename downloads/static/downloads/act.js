// Buttons of one download without leaving the page: Cancel, Retry. Without this module they
// are forms that come back to the page.

const NOTE_MS = 20_000;

const form = document.getElementById("actions");

form.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button?.dataset.act) return; // a question is answered: the browser sends it
  event.preventDefault();
  if (button.ariaDisabled === "true") return;
  button.ariaDisabled = "true"; // not `disabled`, which would lose the focus
  send(button).finally(() => {
    button.ariaDisabled = "false";
  });
});

async function send(button) {
  const part = button.closest("[data-part]").id;
  const id = new URL(button.formAction).pathname.split("/").at(-2);
  try {
    const response = await fetch(button.formAction, {
      method: "POST",
      body: new FormData(form),
      headers: { "X-Requested-With": "fetch" },
    });
    if (response.redirected) return location.reload(); // signed out: the page asks to sign in
    if (response.status === 409) tell(part, (await sentenceIn(response)) ?? "");
    else if (!response.ok) tell(part, `That did not work (${response.status}). Load the page again.`);
    document.dispatchEvent(new CustomEvent("vnsite:changed", { detail: [id] }));
  } catch {
    tell(part, "The server cannot be reached. Nothing was changed.");
  }
  return undefined;
}

async function sentenceIn(response) {
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return page.querySelector(".refusal")?.textContent;
}

// What the server answered stands beside the button for a while; patch.js carries it along when
// the part is drawn again.
function tell(id, sentence) {
  const place = document.getElementById(id)?.querySelector("[data-note]");
  if (!place) return;
  const note = document.createElement("p");
  note.className = "refusal is-error";
  note.role = "alert";
  note.textContent = sentence;
  place.replaceChildren(note);
  setTimeout(() => note.remove(), NOTE_MS);
}
