// One question after the other: a picture, a class, yes or no.

import { away, onConfirmed, serverBack, takeQuestions, waiting } from "./api.js";
import { between, count, element, percent, toast } from "./dom.js";
import { heatShown, pictureAddress, toggleHeat } from "./heat.js";
import { answer, undoLast } from "./history.js";
import { showLearning } from "./learning.js";
import { showProgress } from "./progress.js";

const PAGE = 20;
const WAIT_MS = 3000;
const RENEW_MS = 45_000; // well within the server's 120 s
const KINDS = { all: "Everything", uncertain: "Uncertain labels", suspected: "Suspected errors", skipped: "Skipped" };
const CLAIMS = {
  unknown: () => "Never checked",
  filled: (cell) => `Filled in by a model: ${cell.table}`,
  known: (cell) => `The table says: ${cell.table}`,
};

export function queueView(session, query) {
  const blind = session.mode === "audit";
  const chosen = { kind: query.get("kind") ?? "all", label: query.get("label") ?? "" };
  const cells = [];
  const mine = new Set(); // answered here, perhaps not yet on the server
  let loading = false;
  let again = false; // somebody answered while the questions came
  let none = false; // the server said that nothing is left
  let elsewhere = 0; // questions that other tabs hold
  let revision = session.revision;
  const page = element("div", { class: "queue" });

  const key = (cell) => `${cell.image}/${cell.label}`;
  const asked = () => ({ count: PAGE, ...(blind ? {} : { kind: chosen.kind, label: chosen.label === "" ? null : Number(chosen.label), shown: cells.length ? [cells[0].image, cells[0].label] : null }) });

  async function refill(replace = false) {
    if (loading) {
      again ||= replace;
      return;
    }
    loading = true;
    try {
      const fresh = await takeQuestions(asked());
      showProgress(fresh.progress, fresh.revision);
      showLearning(fresh.learning);
      take(fresh.cells, replace);
      none = fresh.cells.length === 0;
      elsewhere = fresh.elsewhere;
      if (elsewhere) setTimeout(() => page.isConnected && refill(), WAIT_MS);
    } catch (error) {
      none = false;
      toast(error.message);
      setTimeout(() => page.isConnected && refill(), WAIT_MS);
    } finally {
      loading = false;
    }
    render();
    if (!again) return;
    again = false;
    refill(true);
  }

  // Questions are ours for a while only; asking again keeps them.
  const renew = setInterval(() => (page.isConnected ? refill(true) : clearInterval(renew)), RENEW_MS);

  function take(fresh, replace) {
    const shown = cells[0];
    if (replace) {
      const still = new Set(fresh.map(key));
      const kept = cells.filter((cell) => still.has(key(cell)));
      cells.splice(0, cells.length, ...kept.slice(0, 1)); // the others in the server's order, which may be another now
      if (shown && kept[0] !== shown) toast(`${shown.class}? was answered by somebody else`);
    }
    const here = new Set(cells.map(key));
    cells.push(...fresh.filter((cell) => !here.has(key(cell)) && !mine.has(key(cell))));
  }

  function reply(word) {
    const cell = cells.shift();
    if (!cell) return;
    mine.add(key(cell));
    answer(cell, word);
    if (cells.length < PAGE / 2) refill();
    render();
  }

  function takeBack() {
    const last = undoLast();
    if (!last) return toast("Nothing to undo in this tab");
    if (!last.cell) {
      toast(`Took back ${count(last.images)} answers`);
      return refill();
    }
    mine.delete(key(last.cell));
    cells.unshift(last.cell);
    toast(`Took back the answer to ${last.cell.class}?`);
    return render();
  }

  onConfirmed((confirmed, sent) => {
    if (!page.isConnected) return;
    if (confirmed.earlier && sent.body.reply !== "skip" && confirmed.earlier !== sent.body.reply) {
      toast(`Somebody had said ${confirmed.earlier}; your ${sent.body.reply} counts now`);
    }
    showProgress(confirmed.progress, confirmed.revision);
    // with nothing to show, only a server that has every answer can say that nothing is left
    if (confirmed.revision > revision + 1 || (!cells.length && !waiting())) refill(true);
    revision = confirmed.revision;
  });

  function render() {
    const cell = cells[0];
    page.replaceChildren(...(cell ? [stage(cell), panel(cell)] : [empty(), blind ? "" : filters()]));
    for (const next of cells.slice(1, 4)) new Image().src = pictureAddress(next);
  }

  const stage = (cell) =>
    element(
      "figure",
      { class: "stage" },
      element("img", {
        src: pictureAddress(cell),
        alt: heatShown() ? `Where the model saw ${cell.class} in ${cell.name}` : `Picture ${cell.name}`,
        onerror: (event) => unreadable(event.target, cell),
      }),
      element("figcaption", {}, element("span", {}, cell.name), heatShown() ? `heatmap of ${cell.class}` : null),
    );

  async function unreadable(image, cell) {
    const response = await fetch(pictureAddress(cell)).catch(() => null);
    if (!response) {
      await serverBack();
      if (image.isConnected) image.src = `${pictureAddress(cell)}&again=${Date.now()}`;
      return;
    }
    const reason = response && !response.ok ? (await response.json()).detail : "The picture cannot be loaded.";
    image.replaceWith(element("p", { class: "unreadable" }, reason));
  }

  function panel(cell) {
    const suspected = cell.kind === "known";
    return element(
      "section",
      { class: "panel", "aria-label": "Question" },
      element(
        "div",
        { class: "question", "aria-live": "polite" },
        blind ? null : element("p", { class: suspected ? "badge suspected" : "badge" }, suspected ? "Suspected error" : "Uncertain"),
        element("h1", {}, `${cell.class}?`),
        ...(blind ? [] : [element("p", { class: "claim" }, CLAIMS[cell.kind](cell)), meter(cell)]),
      ),
      element("div", { class: "replies" }, button("Yes", "y", "yes", () => reply("yes")), button("No", "n", "no", () => reply("no"))),
      element(
        "div",
        { class: "tools" },
        button(blind ? "Can't tell" : "Skip", "s", "tool", () => reply("skip")),
        button("Undo", "u", "tool", takeBack),
        ...(blind ? [] : [button("Heatmap", "h", "tool", heat, heatShown()), button("All tags", "p", "tool", () => allTags(cell))]),
      ),
      blind ? null : filters(),
    );
  }

  const allTags = (cell) => (location.hash = `#/picture/${cell.image}`);

  function filters() {
    const options = (entries, value) => entries.map(([key, text]) => element("option", { value: key, selected: key === value }, text));
    const change = (name) => (event) => {
      const next = new URLSearchParams({ ...chosen, [name]: event.target.value });
      location.hash = `#/queue?${next}`;
    };
    const classes = [["", "All classes"], ...session.classes.map((name, label) => [String(label), name])];
    return element(
      "div",
      { class: "filters" },
      element("label", {}, "Questions", element("select", { onchange: change("kind") }, options(Object.entries(KINDS), chosen.kind))),
      element("label", {}, "Class", element("select", { onchange: change("label") }, options(classes, chosen.label))),
    );
  }

  function empty() {
    if (!none || elsewhere || loading) {
      const text = away() ? "Waiting for the server" : elsewhere ? "Others answer the last questions" : "Loading…";
      const more = away() ? "Your answers are kept." : elsewhere ? `${count(elsewhere)} are open in other tabs; those that are not answered come here.` : null;
      return element("section", { class: "empty" }, element("h1", {}, text), more && element("p", {}, more));
    }
    return element(
      "section",
      { class: "empty" },
      element("h1", {}, "Nothing left to ask here"),
      blind ? element("p", {}, "Every question of the sample is answered; stop taglens audit, and it says what follows.") : element("p", {}, "Choose other questions, go through a class, or ", element("a", { href: "#/export" }, "write the table"), "."),
    );
  }

  function heat() {
    toggleHeat();
    render();
  }

  document.addEventListener("learned", function reorder() {
    if (page.isConnected) refill(true);
    else document.removeEventListener("learned", reorder);
  });

  refill();
  render();
  return {
    node: page,
    keys: {
      y: () => reply("yes"),
      ArrowRight: () => reply("yes"),
      n: () => reply("no"),
      ArrowLeft: () => reply("no"),
      s: () => reply("skip"),
      u: takeBack,
      ...(blind ? {} : { h: heat, p: () => cells[0] && allTags(cells[0]) }),
    },
  };
}

function meter(cell) {
  const bar = element("span", { class: "meter-fill" });
  bar.style.width = `${(cell.probability ?? 0) * 100}%`;
  return element(
    "p",
    { class: "meter" },
    element("span", { class: "meter-text" }, "The model says ", element("b", {}, percent(cell.probability)), between(cell.between)),
    element("span", { class: "meter-track", "aria-hidden": "true" }, bar),
  );
}

function button(text, hint, style, act, pressed) {
  const properties = { class: style, type: "button", onclick: act, "aria-keyshortcuts": hint };
  if (pressed !== undefined) properties["aria-pressed"] = String(pressed);
  return element("button", properties, text, element("kbd", { "aria-hidden": "true" }, hint.toUpperCase()));
}
