// Writing the reviewed table, and the command that trains on it.

import { post, read, waiting } from "./api.js";
import { count, element, plural, toast } from "./dom.js";

export function exportView(session) {
  const result = element("div", { class: "result", role: "status" });
  const facts = element("p", {});
  const train = element("button", { type: "button", class: "tool", hidden: true }, "Write the table and save as a new run");
  const write = (conflicts, training = false) => async () => {
    if (waiting()) return toast(`${plural(waiting(), "answer")} not yet stored; try again when they are`);
    const response = await post("/api/export", { conflicts, train: training });
    const found = await response.json();
    return response.ok ? follow(found) : result.replaceChildren(...refused(found));
  };

  // The server writes in the background; this page may be left meanwhile, and says how it stands when it is opened again.
  async function follow(found) {
    train.hidden = !found.trains;
    while (found.state === "running") {
      result.replaceChildren(element("p", {}, `${found.stage} … ${Math.round(found.seconds)} s`), element("progress", { "aria-label": "Export" }));
      await new Promise((resolve) => setTimeout(resolve, 400));
      if (!node.isConnected) return;
      found = await read("/api/export");
    }
    if (found.state !== "none") result.replaceChildren(...(found.state === "done" ? written(found) : refused(found)));
  }

  const written = (found) => [
    element("p", { class: "good" }, `Wrote ${found.file} with ${plural(found.applied, "reviewed label")}.`),
    element("p", { class: "hint" }, `Who said what: ${found.answers}`),
    found.run ? element("p", { class: "good" }, `Trained the new run ${found.run}; review with it, and it asks better questions.`) : null,
    found.notes.length ? element("pre", {}, found.notes.join("\n")) : null,
  ].filter(Boolean);

  const refused = ({ state, detail }) => [
    element("p", { class: "bad" }, state === "refused" ? "The table was edited while you reviewed. Nothing was written yet." : "Not written."),
    element("pre", {}, detail),
    ...(state === "refused"
      ? [
          element(
            "div",
            { class: "tools" },
            element("button", { type: "button", class: "tool", onclick: write("table") }, "Keep the table's labels there"),
            element("button", { type: "button", class: "tool", onclick: write("answers") }, "Take the answers there"),
          ),
        ]
      : []),
  ];

  train.addEventListener("click", write("stop", true));
  read("/api/session")
    .then(({ progress }) => (facts.textContent = `${count(progress.answered)} labels answered, ${count(progress.skipped)} skipped.`))
    .catch((error) => toast(error.message));

  const node = element(
    "section",
    { class: "wide export" },
    element("h1", {}, "Export"),
    facts,
    element("h2", {}, "1. Write the table"),
    element("p", { class: "hint" }, `The answers go into a copy of ${session.data}, each with the name of who said it and the time. The journal stays.`),
    element("button", { type: "button", class: "primary", onclick: write("stop") }, `Write ${session.out}`),
    result,
    element("h2", {}, "2. Train on it"),
    element("p", { class: "hint" }, "Run this in a terminal, then review with the new run: it asks better questions."),
    command(session.retrain),
    train,
    element("p", { class: "hint" }, "Every answer is in the journal already: ", element("code", {}, session.journal)),
  );
  read("/api/export")
    .then(follow)
    .catch((error) => toast(error.message));
  return { node };
}

function command(text) {
  const copy = element("button", { type: "button", class: "tool" }, "Copy");
  copy.addEventListener("click", () =>
    navigator.clipboard
      .writeText(text)
      .then(() => toast("Copied"))
      .catch(() => toast("The browser does not allow copying; select the text")),
  );
  // Whole words, so that no line ends within an option.
  const words = text.split(" ").flatMap((word) => [element("span", {}, word), " "]);
  return element("div", { class: "command" }, element("code", {}, words), copy);
}
