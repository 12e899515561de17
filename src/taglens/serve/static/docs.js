// Renders openapi.json without anything from elsewhere, so that it works offline.
const make = (tag, text = "", className = "") => Object.assign(document.createElement(tag), { textContent: text, className });

function table(rows) {
  const element = make("table");
  rows.forEach((cells, i) => {
    const row = element.appendChild(make("tr"));
    cells.forEach((cell) => row.appendChild(make(i ? "td" : "th", cell)));
  });
  return element;
}

function type(schema, all) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array") return `list of ${type(schema.items ?? schema.prefixItems?.[0] ?? {}, all)}`;
  return schema.format ? `${schema.type} (${schema.format})` : schema.type ?? "any";
}

function fields(schema, all) {
  const found = schema.$ref ? all[schema.$ref.split("/").pop()] : schema;
  const rows = Object.entries(found.properties ?? {}).map(([name, one]) => [name, type(one, all), one.description ?? ""]);
  return table([["field", "type", ""], ...rows]);
}

function operation(path, verb, facts, all) {
  const section = make("section");
  const heading = section.appendChild(make("h2"));
  heading.append(make("code", verb.toUpperCase(), "verb"), " ", make("code", path), `  ${facts.summary ?? ""}`);
  if (facts.description) section.append(make("p", facts.description));
  for (const [kind, body] of Object.entries(facts.requestBody?.content ?? {})) {
    section.append(make("p", kind, "quiet"), fields(body.schema, all));
  }
  const answers = Object.entries(facts.responses).map(([status, answer]) => {
    const schema = answer.content?.["application/json"]?.schema;
    return [status, answer.description, schema ? type(schema, all) : Object.keys(answer.content ?? {}).join(", ")];
  });
  section.append(make("p", "answers", "quiet"), table([["status", "", "content"], ...answers]));
  return section;
}

const facts = await (await fetch("openapi.json")).json();
const all = facts.components?.schemas ?? {};
const main = document.getElementById("docs");
const intro = make("section");
intro.append(
  make("p", facts.info.description.split("\n")[0]),
  make("pre", `curl -F pictures=@photo.jpg -F heatmaps=png ${location.origin}/v1/predict\ncurl -F picture=@photo.jpg -F class=dog ${location.origin}/v1/heatmap -o heat.png`),
);
main.append(intro);
for (const [path, verbs] of Object.entries(facts.paths)) {
  for (const [verb, one] of Object.entries(verbs)) main.append(operation(path, verb, one, all));
}
for (const name of ["Answer", "PictureAnswer", "Tag", "OwnName", "Model", "Problem"]) {
  if (!all[name]) continue;
  const section = main.appendChild(make("section"));
  section.append(make("h2", name), fields(all[name], all));
}
