// What the answers have taught so far: a line in the footer of every view.

import { read } from "./api.js";
import { count } from "./dom.js";

const LOOK_MS = 1000;
let fits = 0;
let looking = false;

const arrow = (before, now, text) => (before === null || now === null ? null : before === now ? text(now) : `${text(before)} → ${text(now)}`);

export function showLearning(learning) {
  const place = document.getElementById("learning");
  const said = learning ? words(learning) : "";
  if (place.textContent !== said) place.textContent = said;
  place.hidden = !said;
  if (!learning) return;
  if (learning.fits > fits) {
    fits = learning.fits;
    document.dispatchEvent(new Event("learned")); // the server asks in another order now
  }
  if (learning.running && !looking) look();
}

// While a fit runs, nobody's answer would tell when it has ended.
async function look() {
  looking = true;
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  const found = await read("/api/session").catch(() => null);
  looking = false;
  if (found) showLearning(found.learning);
}

function words({ fits, running, failed, answers, seconds, before, now, level }) {
  if (failed) return `Learning stopped: ${failed}. Your answers are kept.`;
  if (!fits) return running ? "Learning from the table…" : "";
  const parts = [
    answers ? `Learned from ${count(answers)} answers (${seconds} s)` : `Learned from the table (${seconds} s); every 10 answers it learns again`,
    arrow(before.f1, now.f1, (value) => `expected F1 ${(100 * value).toFixed(1)}`),
    arrow(before.mAP, now.mAP, (value) => `mAP by leave-one-out ${value.toFixed(1)}`),
    fillable(now.fillable),
  ];
  return `${parts.filter(Boolean).join(" · ")}${level ? " · more answers hardly change it now" : ""}`;
}

function fillable(found) {
  if (!found) return null;
  const [high, higher] = Object.entries(found.cells).map(([precision, cells]) => `${count(cells)} at ${Math.round(100 * precision)} %`);
  return found.why_not ? `nothing could be filled: ${found.why_not}` : `cells that could be filled: ${high}, ${higher}`;
}
