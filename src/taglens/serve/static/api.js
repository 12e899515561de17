// The calls to the server; the key stays in this tab's memory.
let key = "";

export class NeedsKey extends Error {}

export function useKey(value) {
  key = value;
}

async function call(path, options = {}) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response.json();
  const detail = await response.json().then((body) => body.detail, () => response.statusText);
  const message = typeof detail === "string" ? detail : JSON.stringify(detail);
  throw response.status === 401 ? new NeedsKey(message) : new Error(message);
}

export const model = () => call("v1/model");

export async function predict(file, { heatmaps, of = [], names = [] }) {
  const form = new FormData();
  form.append("pictures", file, file.name || "picture");
  form.append("heatmaps", heatmaps ? "grid" : "none");
  of.forEach((name) => form.append("of", name));
  names.forEach((name) => form.append("names", name));
  return (await call("v1/predict", { method: "POST", body: form })).results[0];
}
