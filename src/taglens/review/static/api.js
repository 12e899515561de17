// Talking to the server: reading, and an outbox that keeps every answer until the server has confirmed it.

import { banner, plural, toast } from "./dom.js";
import { myName } from "./name.js";

const OUTBOX = "taglens-outbox";
const RETRY_MS = 1500;
const AWAY = [502, 503, 504]; // what a proxy says of a server that is not there

export const tab = kept("taglens-tab", identifier);
let token = "";
let outbox = [];
let place = ""; // which journal the answers of this tab belong to: another review may have run at this address
let sending = false;
let back = null; // resolves when the server answers again; null: it does
const listeners = new Set();

export function identifier() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function kept(name, make) {
  const value = sessionStorage.getItem(name) ?? make();
  sessionStorage.setItem(name, value);
  return value;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const away = () => back !== null;

// Fetches; while the server is away, says so once and waits until it is back.
async function reach(path, options) {
  for (;;) {
    const response = await fetch(path, options()).catch((error) => {
      if (error instanceof TypeError) return null;
      throw error;
    });
    if (response && !AWAY.includes(response.status)) return response;
    await serverBack();
  }
}

export function serverBack() {
  back ??= waitForServer().finally(() => (back = null));
  return back;
}

async function waitForServer() {
  for (;;) {
    sayAway("The server does not answer.");
    await sleep(RETRY_MS);
    const response = await fetch("/api/session", { cache: "no-store" }).catch(() => null);
    if (!response?.ok) continue;
    try {
      take(await response.json());
      return banner(null);
    } catch (error) {
      banner(error.message);
      await sleep(RETRY_MS);
    }
  }
}

function sayAway(reason) {
  const number = outbox.length;
  const waits = ` ${plural(number, "answer")} ${number === 1 ? "waits" : "wait"} in this tab and will be sent when it is back.`;
  banner(reason + (number ? waits : " This page goes on by itself when it is back."));
}

export async function read(path) {
  return told(await reach(path, () => ({ cache: "no-store" })));
}

async function told(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? response.statusText);
  return body;
}

function take(session) {
  const found = [session.journal, session.sample].join(" ");
  if (place && place !== found) throw new Error("Another review runs at this address now; reload the page.");
  token = session.token;
  if (!place) {
    place = found;
    outbox = leftBehind();
  }
  return session;
}

export const openSession = async () => take(await read("/api/session"));

// What this tab keeps under a name for the journal of this session.
export const stored = (name) => JSON.parse(sessionStorage.getItem(`${name} ${place}`) ?? "[]");

export const store = (name, values) => sessionStorage.setItem(`${name} ${place}`, JSON.stringify(values));

// The outbox outlives its tab: whichever page of this browser comes next sends what an earlier one could not. An answer that two pages
// send counts once, so that the outbox of a tab that still lives may be taken along.
const outboxOf = (who) => `${OUTBOX} ${place} ${who}`;

function leftBehind() {
  const names = Object.keys(localStorage).filter((name) => name.startsWith(outboxOf("")));
  return names.flatMap((name) => JSON.parse(localStorage.getItem(name) ?? "[]"));
}

function keepOutbox(who) {
  const mine = outbox.filter((sent) => sent.body.tab === who);
  if (mine.length) localStorage.setItem(outboxOf(who), JSON.stringify(mine));
  else localStorage.removeItem(outboxOf(who));
}

// Calls `listener(reply, sent)` for every confirmed answer, undo and bulk answer.
export function onConfirmed(listener) {
  listeners.add(listener);
}

export const waiting = () => outbox.length;

export function send(path, body) {
  outbox.push({ path, body: { ...body, tab, by: myName() } });
  keepOutbox(tab);
  if (away()) sayAway("The server does not answer.");
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
      keepOutbox(sent.body.tab);
      if (response.ok) listeners.forEach((listener) => listener(reply, sent));
      else toast(`Not accepted: ${reply.detail ?? response.statusText}`);
    }
    banner(null);
  } catch (error) {
    sayAway(error.message);
    setTimeout(flush, RETRY_MS);
  } finally {
    sending = false;
  }
}

export async function post(path, body) {
  const request = () =>
    reach(path, () => ({
      method: "POST",
      headers: { "Content-Type": "application/json", "X-TagLens-Token": token },
      body: JSON.stringify(body),
    }));
  const response = await request();
  if (response.status !== 403) return response;
  await openSession(); // the server was started again and has another token
  return request();
}

// Asks for questions, which are this tab's until it asks again or its time is over.
export const takeQuestions = async (body) => told(await post("/api/queue", { ...body, tab }));
