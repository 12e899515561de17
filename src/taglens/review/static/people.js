// Who answered what, how often two people agree, and the cells on which they do not, to be settled.

import { onConfirmed, read } from "./api.js";
import { count, element, plural, toast } from "./dom.js";
import { card } from "./grid.js";

export function peopleView() {
  const node = element("section", { class: "wide" }, element("h1", {}, "People"));

  async function load() {
    try {
      const found = await read("/api/people");
      const parts = found.people.length ? [table(found.people), words(found.agreement), ...conflicts(found)] : [element("p", {}, "No answer yet.")];
      node.replaceChildren(element("h1", {}, "People"), ...parts);
    } catch (error) {
      toast(error.message);
    }
  }

  onConfirmed(() => node.isConnected && load());
  load();
  return { node };
}

function table(people) {
  const heads = ["Name", "Yes", "No", "Skipped"].map((head) => element("th", { scope: "col" }, head));
  const rows = people.map((one) =>
    element("tr", {}, element("th", { scope: "row" }, one.by), ...["yes", "no", "skip"].map((name) => element("td", {}, count(one[name])))),
  );
  return element(
    "div",
    { class: "scroll", tabIndex: 0, role: "region", "aria-label": "People" },
    element("table", {}, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, rows)),
  );
}

const words = ({ both, same }) =>
  element("p", { class: "hint" }, both ? `${plural(both, "label")} answered by two or more people; they agree on ${count(same)}.` : "No label was answered by two people yet.");

function conflicts(found) {
  if (!found.conflicts) return [];
  const hidden = found.conflicts - found.cells.length;
  const cards = found.cells.map((cell) => {
    const said = cell.said.map((one) => `${one.by}: ${one.reply}`).join(", ");
    // no reply is pressed: an answer like the last one settles the cell too
    return card({ ...cell, reply: null, table: said }, { title: `${cell.class}? ${cell.name}`, href: `#/picture/${cell.image}` });
  });
  return [
    element("h2", {}, `${plural(found.conflicts, "label")} to settle`),
    element("p", { class: "hint" }, `Two people say different things. Your answer settles it.${hidden ? ` The first ${count(found.cells.length)} are shown.` : ""}`),
    element("ul", { class: "grid" }, cards),
  ];
}
