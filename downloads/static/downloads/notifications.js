// The switch of the account page that asks the browser whether it may show notifications.

import { say } from "./words.js";

const box = document.querySelector("input[data-notifications]");
const note = document.createElement("p");
[note.className, note.role] = ["refusal is-error", "alert"];
box.labels[0].after(note);

box.addEventListener("change", async () => {
  note.textContent = "";
  if (!box.checked) return;
  let why = "notify_insecure"; // browsers have them over https, and on this machine
  if (isSecureContext && "Notification" in window) {
    if ((await Notification.requestPermission()) === "granted") return;
    why = "notify_denied";
  }
  box.checked = false;
  note.textContent = say(why);
});
