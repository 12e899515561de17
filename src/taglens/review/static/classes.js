// All classes with how much of them is known, and one class with its pictures.

import { read } from "./api.js";
import { bulkPanel } from "./bulk.js";
import { count, element, plural, toast } from "./dom.js";
import { card } from "./grid.js";

const SHOWN = { open: "Open questions", present: "Present", absent: "Absent", answered: "Answered here" };
const PAGE = 60;

export function classesView() {
  const node = element("section", { class: "wide" }, element("h1", {}, "Classes"));
  read("/api/labels")
    .then((labels) => node.append(table(labels)))
    .catch((error) => toast(error.message));
  return { node };
}

function table(labels) {
  const heads = ["Class", "Present", "Absent", "Not checked", "Uncertain", "Suspected", "Answered"];
  const rows = labels.map((found) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, element("a", { href: `#/class/${found.label}` }, found.name), share(found)),
      ...["present", "absent", "unknown", "uncertain", "suspected", "answered"].map((name) => element("td", {}, count(found[name]))),
    ),
  );
  return element(
    "div",
    { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Classes" },
    element("table", {}, element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))), element("tbody", {}, rows)),
  );
}

function share(found) {
  const total = Math.max(1, found.present + found.absent + found.unknown);
  const bar = element("span", { class: "share", "aria-hidden": "true" });
  for (const name of ["present", "absent"]) {
    const part = element("i", { class: name });
    part.style.width = `${(100 * found[name]) / total}%`;
    bar.append(part);
  }
  return bar;
}

export function labelView(session, query, label) {
  const show = query.get("show") ?? "open";
  const grid = element("ul", { class: "grid" });
  const more = element("button", { type: "button", class: "more", onclick: () => load() }, "Show more");
  let offset = 0;

  async function load() {
    try {
      const found = await read(`/api/labels/${label}/cells?show=${show}&offset=${offset}&count=${PAGE}`);
      offset += found.cells.length;
      total.textContent = plural(found.total, "picture");
      grid.append(...found.cells.map((cell) => card(cell, { href: `#/picture/${cell.image}` })));
      more.hidden = offset >= found.total;
    } catch (error) {
      toast(error.message);
    }
  }

  const total = element("span", { class: "hint" });
  const links = Object.entries(SHOWN).map(([name, text]) =>
    element("a", { href: `#/class/${label}?show=${name}`, "aria-current": name === show ? "true" : null }, text),
  );
  const node = element(
    "section",
    { class: "wide" },
    element("p", {}, element("a", { href: "#/classes" }, "All classes"), " · ", element("a", { href: `#/queue?label=${label}` }, "Its queue")),
    element("h1", {}, session.classes[label] ?? "No such class"),
    bulkPanel(session, label),
    element("div", { class: "tabs" }, links, total),
    grid,
    more,
  );
  load();
  return { node };
}
