import { NeedsKey, model as readModel, predict, useKey } from "./api.js";
import { paint } from "./heat.js";

const MOST_GRIDS = 100; // with more classes only the tags' heatmaps are asked for
const MOST_LISTED = 200;
const at = (id) => document.getElementById(id);
const state = { model: null, file: null, result: null, names: [], pinned: null, turn: 0 };

function show(name) {
  const grid = name && state.result?.grids[name];
  if (grid) paint(at("heat"), grid, state.result.box, state.result.width, state.result.height);
  at("frame").classList.toggle("lit", Boolean(grid));
  at("caption").textContent = !name ? "" : grid ? `where it saw “${name}”` : `no heatmap of “${name}”`;
  document.querySelectorAll("button[data-name]").forEach((button) => {
    button.classList.toggle("on", button.dataset.name === name);
    button.setAttribute("aria-pressed", String(button.dataset.name === state.pinned));
  });
}

const percent = (value) => `${(100 * value).toFixed(value > 0.995 || value < 0.0995 ? 1 : 0)} %`;

function entry(name, value, threshold = null) {
  const item = document.createElement("li");
  const button = item.appendChild(document.createElement("button"));
  button.type = "button";
  button.dataset.name = name;
  const [label, number, bar] = ["span", "span", "span"].map((tag) => button.appendChild(document.createElement(tag)));
  label.textContent = name;
  number.className = "value";
  number.textContent = threshold === null ? value.toFixed(2) : percent(value);
  bar.className = "bar";
  bar.appendChild(document.createElement("i")).style.width = `${100 * value}%`;
  if (threshold !== null) bar.appendChild(document.createElement("b")).style.left = `${100 * threshold}%`;
  button.title = threshold === null ? "" : `a tag from ${(100 * threshold).toFixed(0)} %`;
  button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show(name));
  button.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && show(state.pinned));
  button.addEventListener("focus", () => button.matches(":focus-visible") && show(name));
  button.addEventListener("blur", () => show(state.pinned));
  button.addEventListener("click", () => show(state.pinned = state.pinned === name ? null : name));
  return item;
}

function ownEntry(own) {
  const item = entry(own.name, own.score);
  const remove = item.appendChild(document.createElement("button"));
  Object.assign(remove, { type: "button", className: "remove", textContent: "×", title: "remove" });
  remove.setAttribute("aria-label", `remove ${own.name}`);
  remove.addEventListener("click", () => {
    state.names = state.names.filter((name) => name !== own.name);
    item.remove();
    if (state.pinned === own.name) show(state.pinned = null);
  });
  return item;
}

function list() {
  const { tags, probabilities, names } = state.result;
  const needed = Object.fromEntries(state.model.classes.map((name, i) => [name, state.model.thresholds[i]]));
  const found = new Set(tags.map((tag) => tag.name));
  const others = Object.entries(probabilities).filter(([name]) => !found.has(name)).sort((a, b) => b[1] - a[1]);
  at("tags").replaceChildren(...tags.map((tag) => entry(tag.name, tag.probability, tag.threshold)));
  at("others").replaceChildren(...others.slice(0, MOST_LISTED).map(([name, value]) => entry(name, value, needed[name])));
  at("names").replaceChildren(...names.map(ownEntry));
  at("hint").hidden = tags.length > 0;
  at("hint").textContent = "No class reaches its threshold; the most probable ones are below.";
  at("more").hidden = others.length === 0;
  if (!tags.length) at("more").open = true;
}

function complain(error) {
  at("problem").textContent = error ? error.message : "";
  at("problem").hidden = !error;
  if (error instanceof NeedsKey) {
    at("keyform").hidden = false;
    at("key").focus();
  }
}

async function look(file) {
  const turn = ++state.turn;
  const fresh = file !== state.file;
  state.file = file;
  if (fresh) {
    Object.assign(state, { result: null, pinned: null });
    show(null);
    ["tags", "others", "names"].forEach((id) => at(id).replaceChildren());
    URL.revokeObjectURL(at("picture").src);
    at("picture").src = URL.createObjectURL(file);
    at("drop").hidden = true;
    at("shown").hidden = false;
  }
  complain(null);
  at("caption").textContent = "looking…";
  at("stage").classList.add("busy");
  try {
    const { classes, heatmaps } = (state.model ??= await readModel());
    const of = heatmaps && classes.length <= MOST_GRIDS ? classes : [];
    const result = await predict(file, { heatmaps, of, names: state.names });
    if (turn !== state.turn) return;
    state.result = result;
    list();
    state.pinned ??= state.result.tags[0]?.name ?? null;
    show(state.pinned);
  } catch (error) {
    if (turn === state.turn) {
      at("caption").textContent = "";
      complain(error);
    }
  } finally {
    if (turn === state.turn) at("stage").classList.remove("busy");
  }
}

async function start() {
  try {
    const facts = (state.model = await readModel());
    at("model").textContent = `${facts.classes.length} classes: ${facts.classes.slice(0, 6).join(", ")}${facts.classes.length > 6 ? " …" : ""}`;
    at("ownform").hidden = !facts.own_names;
    at("keyform").hidden = true;
    complain(null);
    if (state.file) look(state.file);
  } catch (error) {
    complain(error);
  }
}

at("file").addEventListener("change", (event) => event.target.files[0] && look(event.target.files[0]));
at("again").addEventListener("click", () => {
  at("file").value = "";
  at("file").click();
});
at("keyform").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(at("key").value.trim());
  start();
});
at("ownform").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = at("own").value.trim().replace(/\s+/g, " ");
  if (!name || state.names.includes(name)) return;
  state.names.push(name);
  at("own").value = "";
  state.pinned = name;
  if (state.file) look(state.file);
});
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (file) look(file);
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("stage").classList.toggle("over", kind === "dragover");
    const file = kind === "drop" && event.dataTransfer.files[0];
    if (file) look(file);
  });
}
start();
