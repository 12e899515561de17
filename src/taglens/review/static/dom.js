// Making elements; text is always set as text, never as HTML.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name in made && !name.includes("-")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

export const percent = (probability) =>
  probability === null ? "–" : probability > 0.995 ? "> 99 %" : probability < 0.005 ? "< 1 %" : `${Math.round(probability * 100)} %`;

export const between = (range) => (range ? `, ${percent(range[0])} to ${percent(range[1])}` : "");

export const count = (number) => number.toLocaleString("en");

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

let hiding;

export function toast(message) {
  const place = document.getElementById("toast");
  place.textContent = message;
  place.classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => place.classList.remove("shown"), 4000);
}

export function banner(message) {
  const place = document.getElementById("banner");
  place.textContent = message ?? "";
  place.hidden = !message;
}
