/** A request as a program to copy. A key is never in it: it comes from the environment. */

const KEY = "SIGHTLINE_KEY";

/** `more` is what goes into the JSON body beside the image. */
export function curl({ url, fileName, more, hasKey }) {
  const rest = Object.keys(more).length ? `", ${JSON.stringify(more).slice(1)}` : '"}';
  const authorization = hasKey ? [`  -H "Authorization: Bearer $${KEY}"`] : [];
  return [
    `{ printf '{"image_base64": "'; base64 < ${quoted(fileName)} | tr -d '\\n'`,
    `  printf '%s' ${quoted(rest)}; } |`,
    [`curl -s ${quoted(url)}`, ...authorization, "  -H 'Content-Type: application/json' --data-binary @-"].join(" \\\n"),
  ].join("\n");
}

export function python({ url, fileName, more, hasKey }) {
  const entries = Object.entries(more).map(([name, value]) => `    ${literal(name)}: ${literal(value)},`);
  const authorization = hasKey ? [`    "Authorization": "Bearer " + os.environ["${KEY}"],`] : [];
  return [
    `import base64, json, ${hasKey ? "os, " : ""}urllib.request`,
    "",
    `with open(${literal(fileName)}, "rb") as file:`,
    "    image = base64.b64encode(file.read()).decode()",
    "body = {",
    '    "image_base64": image,',
    ...entries,
    "}",
    "headers = {",
    '    "Content-Type": "application/json",',
    ...authorization,
    "}",
    `request = urllib.request.Request(${literal(url)}, json.dumps(body).encode(), headers)`,
    "with urllib.request.urlopen(request) as response:",
    "    print(json.load(response))",
  ].join("\n");
}

/** For a POSIX shell. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** JSON's strings and numbers are Python's too. */
function literal(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const entries = Object.entries(value).map(([name, one]) => `${literal(name)}: ${literal(one)}`);
  return `{${entries.join(", ")}}`;
}
