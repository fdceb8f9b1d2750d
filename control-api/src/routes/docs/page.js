// Shows openapi.json. Every text is set as text.

const make = (tag, text, ...children) => {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  element.append(...children);
  return element;
};

const nameOf = (ref) => ref.slice(ref.lastIndexOf("/") + 1);

/** A schema in a few words. */
const brief = (schema) => {
  if (schema === undefined || schema === null) return "";
  if (schema.$ref !== undefined) return nameOf(schema.$ref);
  if (Array.isArray(schema.oneOf)) return schema.oneOf.map(brief).join(" | ");
  if (Array.isArray(schema.type)) {
    return schema.type.map((type) => (type === "null" ? type : brief({ ...schema, type }))).join(" | ");
  }
  if (schema.type === "array") return `${brief(schema.items)}[]`;
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  return schema.format === undefined ? (schema.type ?? "") : `${schema.type} (${schema.format})`;
};

const table = (heads, rows) => {
  const body = make("tbody");
  for (const row of rows) body.append(make("tr", null, ...row.map((cell) => make("td", cell))));
  const head = make("tr", null, ...heads.map((cell) => make("th", cell)));
  return make("table", null, make("thead", null, head), body);
};

const operation = (path, method, described) => {
  const verb = make("span", method);
  verb.className = "method";
  const summary = make("span", described.summary);
  summary.className = "muted";
  const box = make("details", null, make("summary", null, verb, make("code", path), summary));
  if (described.description) box.append(make("p", described.description));
  const parameters = described.parameters ?? [];
  if (parameters.length > 0) {
    const rows = parameters.map((p) => [p.name, p.in, brief(p.schema), p.description ?? ""]);
    box.append(table(["parameter", "in", "type", ""], rows));
  }
  const bodies = Object.entries(described.requestBody?.content ?? {});
  if (bodies.length > 0) {
    box.append(table(["body", "type"], bodies.map(([kind, body]) => [kind, brief(body.schema)])));
  }
  const answers = Object.entries(described.responses ?? {}).map(([status, answer]) => [
    status,
    Object.values(answer.content ?? {}).map((content) => brief(content.schema)).join(", "),
    answer.description ?? "",
  ]);
  box.append(table(["answer", "type", ""], answers));
  return box;
};

const show = (api) => {
  document.getElementById("about").textContent = api.info.description;
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, described] of Object.entries(methods)) {
      const tag = described.tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(path, method, described));
    }
  }
  const routes = document.getElementById("routes");
  for (const [tag, operations] of groups) routes.append(make("h2", tag), ...operations);
  const schemas = document.getElementById("schemas");
  for (const [name, schema] of Object.entries(api.components?.schemas ?? {})) {
    const box = make("details", null, make("summary", null, make("code", name)));
    if (schema.description) box.append(make("p", schema.description));
    const properties = Object.entries(schema.properties ?? {});
    if (properties.length > 0) {
      const rows = properties.map(([key, value]) => [key, brief(value), value.description ?? ""]);
      box.append(table(["field", "type", ""], rows));
    } else {
      box.append(make("pre", JSON.stringify(schema, null, 2)));
    }
    schemas.append(box);
  }
};

fetch("/api/openapi.json")
  .then((answer) => answer.json())
  .then(show)
  .catch((error) => {
    document.getElementById("about").textContent = `The description could not be loaded: ${error}`;
  });
