/** Requests to the server that this page came from, and the two ways in which they fail. */

/** The server has answered with an error; `code` and `message` are the server's own. */
export class ServerError extends Error {
  constructor(response, { code, message }) {
    super(message);
    this.status = response.status;
    this.code = code;
    this.requestId = response.headers.get("X-Request-Id");
    this.retryAfterS = Number(response.headers.get("Retry-After")) || null;
  }
}

/** No answer: the network is gone, the server is, or the connection broke. */
export class Unreachable extends Error {}

/** Asks GET `path`, or POST with a JSON `body`; returns the answer's JSON and its headers. */
export async function ask(path, { body, key, signal }) {
  const response = await answer(path, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...(body !== undefined && { "Content-Type": "application/json" }),
      ...(key && { Authorization: `Bearer ${key}` }),
    },
    body,
    signal,
  });
  if (!response.ok) throw new ServerError(response, await errorOf(response));
  return { value: await response.json(), headers: response.headers };
}

/** Whether the model is warm; a proxy that hides the probe is no reason to wait. Throws Unreachable. */
export async function isReady(signal) {
  const { status } = await answer("readyz", { signal });
  if (status === 502 || status === 504) throw new Unreachable("a proxy found no server behind it");
  return status !== 503;
}

async function answer(path, options) {
  try {
    return await fetch(path, { ...options, cache: "no-store" });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new Unreachable(error.message);
  }
}

/** The server's own error; a proxy's answer has none. */
async function errorOf(response) {
  const body = await response.json().catch(() => null);
  return body?.error ?? { code: "error", message: response.statusText };
}

/** [["decode", 5.1], …] of a Server-Timing header, in milliseconds. */
export function serverTiming(headers) {
  const entries = (headers.get("Server-Timing") ?? "").split(",").filter(Boolean);
  return entries.map((entry) => {
    const [name, ...parameters] = entry.trim().split(";");
    const duration = parameters.find((parameter) => parameter.startsWith("dur="));
    return [name, Number(duration?.slice(4) ?? 0)];
  });
}
