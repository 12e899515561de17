// One picture with all its tags.

import { read } from "./api.js";
import { element, percent, toast } from "./dom.js";
import { heatShown, pictureAddress, toggleHeat } from "./heat.js";
import { card } from "./grid.js";

export function pictureView(session, query, image) {
  const node = element("div", { class: "queue picture" });
  let cells = [];
  let shown = 0;

  async function load() {
    try {
      const found = await read(`/api/pictures/${image}/cells`);
      cells = found.cells;
      document.title = found.name;
      node.replaceChildren(stage(found.name), list(found.name));
    } catch (error) {
      toast(error.message);
    }
  }

  const figure = element("img", {});
  const caption = element("span", {});

  function paint(name) {
    const cell = cells[shown] ?? { image, label: 0 };
    figure.src = pictureAddress(cell);
    figure.alt = heatShown() ? `Where the model saw ${cell.class} in ${name}` : `Picture ${name}`;
    caption.textContent = heatShown() ? `heatmap of ${cell.class}, ${percent(cell.probability)}` : "";
  }

  function stage(name) {
    paint(name);
    return element("figure", { class: "stage" }, figure, element("figcaption", {}, element("span", {}, name), caption));
  }

  function list(name) {
    const items = cells.map((cell, place) => {
      const item = card(cell, { title: cell.class });
      const look = () => {
        shown = place;
        if (heatShown()) paint(name);
      };
      item.addEventListener("focusin", look);
      item.addEventListener("pointerenter", look);
      return item;
    });
    return element(
      "section",
      { class: "panel" },
      element("p", {}, element("a", { href: "#/queue" }, "Back to the queue")),
      element("h1", { class: "small" }, "All tags"),
      element(
        "div",
        { class: "tools" },
        element("button", { type: "button", class: "tool", onclick: () => go(-1) }, "Previous"),
        element("button", { type: "button", class: "tool", onclick: () => go(1) }, "Next"),
        element("button", { type: "button", class: "tool", onclick: heat, "aria-pressed": String(heatShown()) }, "Heatmap", element("kbd", { "aria-hidden": "true" }, "H")),
      ),
      element("ul", { class: "tags" }, items),
    );
  }

  const go = (step) => (location.hash = `#/picture/${(image + step + session.images) % session.images}`);

  function heat() {
    toggleHeat();
    load();
  }

  load();
  return { node, keys: { h: heat, ArrowLeft: () => go(-1), ArrowRight: () => go(1), Escape: () => (location.hash = "#/queue") } };
}
