// Start: the session, the views by the address's fragment, and the keyboard.

import { answersView } from "./answers.js";
import { flush, onConfirmed, openSession } from "./api.js";
import { banner, element, toast } from "./dom.js";
import { noHeat } from "./heat.js";
import { undoLast } from "./history.js";
import { exportView } from "./export.js";
import { classesView, labelView } from "./classes.js";
import { nameField } from "./name.js";
import { peopleView } from "./people.js";
import { pictureView } from "./picture.js";
import { showLearning } from "./learning.js";
import { showProgress } from "./progress.js";
import { queueView } from "./queue.js";

const VIEWS = { queue: queueView, classes: classesView, class: labelView, picture: pictureView, answers: answersView, people: peopleView, export: exportView };
// An audit asks without the model's opinion: the server has no routes for the other views.
const BLIND = { queue: queueView, answers: answersView };
let views = VIEWS;
let session;
let view;

function route() {
  const [path, query] = (location.hash.slice(2) || "queue").split("?");
  const [name, place] = path.split("/");
  const make = views[name] ?? queueView;
  view = make(session, new URLSearchParams(query), place === undefined ? undefined : Number(place));
  const main = document.getElementById("view");
  main.replaceChildren(view.node);
  main.className = `view-${name}`;
  window.scrollTo(0, 0);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${name === "class" ? "classes" : name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function pressed(event) {
  const typing = event.target.closest("input, select, textarea");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const act = view?.keys?.[event.key.length === 1 ? event.key.toLowerCase() : event.key] ?? general[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

const general = {
  u: () => {
    const last = undoLast();
    toast(last ? "Took back the last answer" : "Nothing to undo in this tab");
    setTimeout(route, 150);
  },
};

function becomeBlind() {
  views = BLIND;
  noHeat();
  document.title = `Audit of ${session.data}`;
  for (const link of document.querySelectorAll("nav a")) if (!(link.hash.slice(2) in BLIND)) link.remove();
}

async function start() {
  try {
    session = await openSession(); // waits while the server is away
  } catch (error) {
    banner(error.message);
    setTimeout(start, 1500);
    return;
  }
  banner(null);
  document.title = `Review of ${session.data}`;
  if (session.mode === "audit") becomeBlind();
  nameField(session.by);
  showProgress(session.progress, session.revision);
  showLearning(session.learning);
  onConfirmed(({ learning }) => showLearning(learning));
  addEventListener("hashchange", route);
  addEventListener("keydown", pressed);
  route();
  flush(); // what an earlier page of this tab could not send
}

document.getElementById("view").append(element("p", { class: "loading" }, "Loading…"));
start();
