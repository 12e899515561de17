// The same answer for all open questions of a class beyond a probability, after a look at them.

import { read } from "./api.js";
import { element, percent, plural, toast } from "./dom.js";
import { answerMany } from "./history.js";

export function bulkPanel(session, label) {
  const preview = element("div", { class: "preview", "aria-live": "polite" });
  const bound = element("input", { type: "number", min: 0, max: 100, step: 1, value: 90, inputMode: "numeric" });
  const reply = element("select", {}, element("option", { value: "yes" }, "Yes, from"), element("option", { value: "no" }, "No, up to"));
  reply.addEventListener("change", () => (bound.value = reply.value === "yes" ? 90 : 2));

  async function look(event) {
    event.preventDefault();
    try {
      show(await read(`/api/labels/${label}/bulk?reply=${reply.value}&bound=${Number(bound.value) / 100}`));
    } catch (error) {
      toast(error.message);
    }
  }

  function show(found) {
    if (!found.images.length) return preview.replaceChildren(element("p", {}, "No open question is beyond this probability."));
    const kept = new Set(found.images);
    const word = reply.value;
    const accept = element("button", { type: "button", class: `accept ${word}`, onclick: take });
    const describe = () => (accept.textContent = `Answer ${word} for ${plural(kept.size, "picture")}`);
    const toggles = found.cells.map((cell) => {
      const box = element("input", { type: "checkbox", checked: true, onchange: () => (box.checked ? kept.add(cell.image) : kept.delete(cell.image), describe()) });
      const picture = element("img", { src: `/api/pictures/${cell.image}?size=320`, alt: `Picture ${cell.name}`, loading: "lazy" });
      return element("label", { class: "toggle" }, picture, element("span", {}, box, percent(cell.probability)));
    });
    function take() {
      if (!kept.size) return;
      answerMany(label, [...kept], word);
      toast(`${plural(kept.size, "answer")}; U takes them back`);
      preview.replaceChildren();
    }
    describe();
    const hidden = found.images.length - found.cells.length;
    preview.replaceChildren(
      element(
        "p",
        {},
        `${plural(found.images.length, "picture")}, the most doubtful first. By the probabilities, about ${found.expected_wrong.toFixed(1)} of them would be wrong. Untick those.`,
        hidden ? ` ${plural(hidden, "clearer one")} not shown.` : "",
      ),
      element("div", { class: "toggles" }, toggles),
      accept,
    );
  }

  return element(
    "details",
    { class: "bulk" },
    element("summary", {}, "Answer many at once"),
    element(
      "form",
      { onsubmit: look },
      element("label", {}, `${session.classes[label]}?`, reply),
      element("label", {}, "probability, percent", bound),
      element("button", { type: "submit" }, "Preview"),
    ),
    preview,
  );
}
