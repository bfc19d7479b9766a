// Shows the OpenAPI document of this service, and sends requests to it; to no other.

const api = await (await fetch("openapi.json")).json();
const key = document.querySelector("#key");
key.form.addEventListener("submit", (event) => event.preventDefault());

function make(tag, text, ...children) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
}

function resolve(schema) {
  const name = schema.$ref?.split("/").pop();
  return name ? { name, ...api.components.schemas[name] } : schema;
}

function describe(schema) {
  const found = resolve(schema);
  if (found.name) return found.name;
  const either = found.anyOf ?? found.oneOf;
  if (either) return either.map(describe).join(" | ");
  if (typeof found === "boolean") return "anything";
  if ("const" in found) return JSON.stringify(found.const);
  if (found.enum) return found.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (found.type === "array") return `[${describe(found.items ?? {})}]`;
  if (found.additionalProperties) return `{string: ${describe(found.additionalProperties)}}`;
  return found.type ?? "any";
}

function references(schema, seen = new Map()) {
  if (schema === null || typeof schema !== "object") return seen;
  const found = resolve(schema);
  if (found.name && seen.has(found.name)) return seen;
  if (found.name) seen.set(found.name, found);
  for (const value of Object.values(found)) references(value, seen);
  return seen;
}

function fields(schema) {
  const table = make("table");
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const needed = schema.required?.includes(name) ? "" : " (optional)";
    const row = make("tr", "", make("td", "", make("code", name)));
    row.append(make("td", describe(field) + needed), make("td", field.description));
    table.append(row);
  }
  return table;
}

function schemas(title, content) {
  const box = make("section", "", make("h2", title));
  for (const [name, schema] of references(content?.schema)) {
    box.append(make("h3", name), make("p", schema.description), fields(schema));
  }
  return box;
}

function sender(method, path, body) {
  const place = make("input");
  place.value = path;
  place.ariaLabel = "Path";
  const [example] = Object.values(body?.examples ?? {});
  const text = make("textarea", body && JSON.stringify(example?.value ?? {}, null, 2));
  text.ariaLabel = "Body";
  text.spellcheck = false;
  const button = make("button", `Send ${method}`);
  const answer = make("pre");
  answer.hidden = true;
  answer.tabIndex = 0; // it may scroll
  button.addEventListener("click", async () => {
    const headers = key.value ? { authorization: `Bearer ${key.value}` } : {};
    if (body) headers["content-type"] = "application/json";
    const request = { method, headers, body: body && text.value };
    const response = await fetch(place.value.replace(/^\/+/, ""), request);
    const content = await response.text();
    const json = response.headers.get("content-type")?.includes("json");
    const shown = json ? JSON.stringify(JSON.parse(content), null, 1) : content;
    answer.textContent = `${response.status} ${response.statusText}\n\n${shown}`;
    answer.hidden = false;
  });
  const box = make("div", "", place, button);
  box.className = "sender";
  if (body) box.append(text);
  box.append(answer);
  return box;
}

function show(path, method, operation) {
  const body = operation.requestBody?.content["application/json"];
  const summary = make("summary", "", make("b", method), make("code", path));
  summary.append(make("span", operation.description?.split("\n")[0] ?? ""));
  const box = make("div", "", sender(method, path, body));
  box.className = "operation";
  if (body) box.append(schemas("Request", body));
  const codes = make("table");
  for (const [code, response] of Object.entries(operation.responses)) {
    codes.append(make("tr", "", make("td", code), make("td", response.description)));
  }
  box.append(make("h2", "Answers"), codes);
  box.append(schemas("Answer", operation.responses[200]?.content?.["application/json"]));
  const details = make("details", "", summary, box);
  details.className = "card";
  return details;
}

document.querySelector("#about").textContent = api.info.description;
for (const [path, methods] of Object.entries(api.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    document.querySelector("main").append(show(path, method.toUpperCase(), operation));
  }
}
