// The last answers of everybody, newest first, each with a button that takes it back.

import { onConfirmed, read } from "./api.js";
import { element, plural, toast } from "./dom.js";
import { undo } from "./history.js";

export function answersView() {
  const list = element("ol", { class: "answers" });
  const node = element("section", { class: "wide" }, element("h1", {}, "Answers"), list);

  async function load() {
    try {
      const answers = await read("/api/answers?count=100");
      list.replaceChildren(...(answers.length ? answers.map(row) : [element("li", {}, "No answer yet.")]));
    } catch (error) {
      toast(error.message);
    }
  }

  const row = (answer) =>
    element(
      "li",
      {},
      answer.image === null ? element("span", { class: "thumb" }) : element("a", { class: "thumb", href: `#/picture/${answer.image}` }, element("img", { src: `/api/pictures/${answer.image}?size=320`, alt: `Picture ${answer.name}`, loading: "lazy" })),
      element(
        "div",
        { class: "card-text" },
        element("span", { class: "card-title" }, `${answer.label}? `, element("b", { class: `word ${answer.reply}` }, answer.reply)),
        element("span", { class: "card-fact" }, `${answer.images === 1 ? answer.name : plural(answer.images, "picture")} · ${answer.by}, ${answer.time.replace("T", " ").replace("Z", " UTC")}`),
      ),
      element("button", { type: "button", class: "tool", onclick: () => undo(answer.action), "aria-label": `Undo ${answer.label}, ${answer.name}` }, "Undo"),
    );

  onConfirmed(() => node.isConnected && load());
  load();
  return { node };
}
