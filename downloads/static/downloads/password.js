// Shows what is typed into the password fields of a form, while its tick is set.

for (const tick of document.querySelectorAll("[data-reveal]")) {
  const fields = tick.form.querySelectorAll("[type=password]");
  const show = (visibly) => {
    for (const field of fields) field.type = visibly ? "text" : "password";
  };
  tick.addEventListener("change", () => show(tick.checked));
  tick.form.addEventListener("submit", () => show(false)); // browsers remember what text fields held
}
