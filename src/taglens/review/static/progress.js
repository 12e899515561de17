// The bar in the header.

import { count } from "./dom.js";

let shown = -1; // a reply to an earlier request may come later, and knows less

export function showProgress({ answered, uncertain, suspected, left = uncertain + suspected }, revision) {
  if (revision < shown) return;
  shown = revision;
  const bar = document.getElementById("progress");
  bar.value = answered + left ? answered / (answered + left) : 0;
  document.getElementById("progress-text").textContent = `${count(answered)} answered · ${count(left)} left`;
  if (uncertain !== undefined) bar.title = `${count(uncertain)} uncertain and ${count(suspected)} suspected errors left`;
}
