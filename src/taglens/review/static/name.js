// Who sits at this tab: asked once, kept for this browser, and another one for a tab that says so.

import { element } from "./dom.js";

const NAME = "taglens-name";
let name = sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME) ?? undefined;

export const myName = () => name ?? null;

// Shows the name in the header, and asks for it where nobody said it yet; `given` is the server's.
export function nameField(given) {
  const place = document.getElementById("who");
  const field = element("input", { type: "text", maxLength: 60, id: "name", autocomplete: "name", value: name ?? given });
  const form = element("form", { onsubmit: keep }, element("label", { htmlFor: "name" }, "Your name"), field, element("button", { type: "submit" }, "Keep"));
  const button = element("button", { type: "button", class: "who", onclick: ask }, "");

  function keep(event) {
    event.preventDefault();
    name = field.value.replace(/[|\p{C}\p{Zl}\p{Zp}]/gu, "").trim() || given;
    sessionStorage.setItem(NAME, name);
    localStorage.setItem(NAME, name);
    show();
    document.getElementById("view").focus();
  }

  function show() {
    button.textContent = name;
    button.setAttribute("aria-label", `Your name: ${name}. Change it`);
    place.replaceChildren(button);
  }

  function ask() {
    field.value = name ?? given;
    place.replaceChildren(form);
    if (name !== undefined) field.select();
  }

  if (name === undefined) ask();
  else show();
}
