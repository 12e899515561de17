// The last answers of everybody, newest first, each with a button that takes it back.

import { onConfirmed, read } from "./api.js";
import { element, plural, toast } from "./dom.js";
import { undo } from "./history.js";

export function answersView(session) {
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

  const thumb = (answer) => {
    const image = element("img", { src: `/api/pictures/${answer.image}?size=320`, alt: `Picture ${answer.name}`, loading: "lazy" });
    const link = session.mode === "audit" ? ["span", {}] : ["a", { href: `#/picture/${answer.image}` }];
    return element(link[0], { class: "thumb", ...link[1] }, image);
  };

  const row = (answer) =>
    element(
      "li",
      {},
      answer.image === null ? element("span", { class: "thumb" }) : thumb(answer),
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
