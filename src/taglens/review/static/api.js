// Talking to the server: reading, and an outbox that keeps every answer until the server has confirmed it.

import { banner, plural, toast } from "./dom.js";

const OUTBOX = "taglens-outbox";
const RETRY_MS = 1500;

export const tab = kept("taglens-tab", identifier);
let token = "";
let outbox = [];
let place = ""; // which journal the answers of this tab belong to: another review may have run at this address
let sending = false;
const listeners = new Set();

export function identifier() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function kept(name, make) {
  const value = sessionStorage.getItem(name) ?? make();
  sessionStorage.setItem(name, value);
  return value;
}

export async function read(path) {
  const response = await fetch(path, { cache: "no-store" });
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail ?? response.statusText);
  return body;
}

export async function openSession() {
  const session = await read("/api/session");
  const found = [session.journal, session.sample].join(" ");
  if (place && place !== found) throw new Error("Another review runs at this address now; reload the page.");
  token = session.token;
  if (!place) {
    place = found;
    outbox = stored(OUTBOX);
  }
  return session;
}

// What this tab keeps under a name for the journal of this session.
export const stored = (name) => JSON.parse(sessionStorage.getItem(`${name} ${place}`) ?? "[]");

export const store = (name, values) => sessionStorage.setItem(`${name} ${place}`, JSON.stringify(values));

// Calls `listener(reply, sent)` for every confirmed answer, undo and bulk answer.
export function onConfirmed(listener) {
  listeners.add(listener);
}

export const waiting = () => outbox.length;

export function send(path, body) {
  outbox.push({ path, body: { ...body, tab } });
  store(OUTBOX, outbox);
  flush();
}

// One after the other, so that an undo never overtakes its answer.
export async function flush() {
  if (sending) return;
  sending = true;
  try {
    while (outbox.length) {
      const sent = outbox[0];
      const response = await post(sent.path, sent.body);
      const reply = await response.json().catch(() => ({}));
      if (response.status === 409 || response.status >= 500) throw new Error(reply.detail ?? "The server cannot store answers.");
      outbox.shift();
      store(OUTBOX, outbox);
      if (response.ok) listeners.forEach((listener) => listener(reply, sent));
      else toast(`Not accepted: ${reply.detail ?? response.statusText}`);
    }
    banner(null);
  } catch (error) {
    const reason = error instanceof TypeError ? "The server does not answer." : error.message;
    banner(`${reason} ${plural(outbox.length, "answer")} ${outbox.length === 1 ? "waits" : "wait"} in this tab and will be sent when it is back.`);
    setTimeout(flush, RETRY_MS);
  } finally {
    sending = false;
  }
}

export async function post(path, body) {
  const request = () =>
    fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-TagLens-Token": token },
      body: JSON.stringify(body),
    });
  const response = await request();
  if (response.status !== 403) return response;
  await openSession(); // the server was started again and has another token
  return request();
}
