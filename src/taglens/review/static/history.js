// What this tab did, newest last, so that it can be taken back; survives a reload.

import { identifier, send, store, stored } from "./api.js";

const NAME = "taglens-done";
const MOST = 500;
let done; // read when the session is known

function keep(entries) {
  done = entries.slice(-MOST);
  store(NAME, done);
}

const past = () => (done ??= stored(NAME));

export function answer(cell, reply) {
  const action = identifier();
  keep([...past(), { action, cell }]);
  send("/api/answers", { action, image: cell.image, label: cell.label, reply });
  return action;
}

export function answerMany(label, images, reply) {
  const action = identifier();
  keep([...past(), { action, images: images.length }]);
  send("/api/bulk", { action, label, images, reply });
}

// Takes back this tab's last action and returns it, or nothing.
export function undoLast() {
  const last = past().at(-1);
  if (!last) return undefined;
  keep(past().slice(0, -1));
  send("/api/undo", { action: last.action });
  return last;
}

export function undo(action) {
  keep(past().filter((entry) => entry.action !== action));
  send("/api/undo", { action });
}
