// A grid of small pictures with their present label; a click or the keyboard changes it.

import { between, element, percent } from "./dom.js";
import { answer, undo } from "./history.js";

export function card(cell, { title, onchange, href } = {}) {
  const node = element("li", { class: "card" });
  const state = { ...cell };

  function say(reply) {
    if (state.reply === reply) {
      undo(state.action);
      Object.assign(state, { reply: null, action: null });
    } else {
      state.action = answer(cell, reply);
      state.reply = reply;
    }
    render();
    onchange?.(state);
  }

  const choice = (reply, text) =>
    element("button", { type: "button", class: reply, "aria-pressed": String(state.reply === reply), onclick: () => say(reply), "aria-label": `${text}: ${cell.class} in ${cell.name}` }, text);

  function render() {
    const focused = node.contains(document.activeElement) ? document.activeElement.className : null;
    node.replaceChildren(
      ...(href ? [element("a", { href, class: "thumb" }, element("img", { src: `/api/pictures/${cell.image}?size=320`, alt: `Picture ${cell.name}`, loading: "lazy" }))] : []),
      element(
        "div",
        { class: "card-text" },
        element("span", { class: "card-title", title: title ?? cell.name }, title ?? cell.name),
        element("span", { class: "card-fact" }, `${percent(cell.probability)}${between(cell.between)} · ${cell.table}`),
      ),
      element("div", { class: "choices" }, choice("yes", "Yes"), choice("no", "No")),
    );
    if (focused) node.querySelector(`.${focused}`)?.focus();
  }

  render();
  return node;
}
