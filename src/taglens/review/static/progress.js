// The bar in the header.

import { count } from "./dom.js";

export function showProgress({ answered, uncertain, suspected, left = uncertain + suspected }) {
  const bar = document.getElementById("progress");
  bar.value = answered + left ? answered / (answered + left) : 0;
  document.getElementById("progress-text").textContent = `${count(answered)} answered · ${count(left)} left`;
  if (uncertain !== undefined) bar.title = `${count(uncertain)} uncertain and ${count(suspected)} suspected errors left`;
}
