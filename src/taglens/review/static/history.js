// What this tab did, newest last, so that it can be taken back; survives a reload.

import { identifier, send } from "./api.js";

const NAME = "taglens-done";
const MOST = 500;
let done = JSON.parse(sessionStorage.getItem(NAME) ?? "[]");

function keep() {
  done = done.slice(-MOST);
  sessionStorage.setItem(NAME, JSON.stringify(done));
}

export function answer(cell, reply) {
  const action = identifier();
  done.push({ action, cell });
  keep();
  send("/api/answers", { action, image: cell.image, label: cell.label, reply });
  return action;
}

export function answerMany(label, images, reply) {
  const action = identifier();
  done.push({ action, images: images.length });
  keep();
  send("/api/bulk", { action, label, images, reply });
}

// Takes back this tab's last action and returns it, or nothing.
export function undoLast() {
  const last = done.pop();
  if (!last) return undefined;
  keep();
  send("/api/undo", { action: last.action });
  return last;
}

export function undo(action) {
  done = done.filter((entry) => entry.action !== action);
  keep();
  send("/api/undo", { action });
}
