// Whether pictures are shown with the class's heatmap; one switch for all views.

const NAME = "taglens-heat";
let on = sessionStorage.getItem(NAME) === "on";

export const heatShown = () => on;

export function toggleHeat() {
  on = !on;
  sessionStorage.setItem(NAME, on ? "on" : "off");
  return on;
}

export function noHeat() {
  on = false;
}

export const pictureAddress = (cell, size = 1280) =>
  on ? `/api/pictures/${cell.image}/heat/${cell.label}?size=${size}` : `/api/pictures/${cell.image}?size=${size}`;
