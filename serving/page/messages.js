/** What went wrong, in words: a title, and what to do or what the server said. */

import { Unreachable } from "./api.js";

const BY_STATUS = {
  401: ["The server wants a key", "Enter it under Key."],
  408: ["The upload took too long", "Try again, or send a smaller image."],
  413: ["Too large for this server"],
  415: ["This format is not served", "Use JPEG, PNG, WebP, BMP or TIFF."],
  504: ["The server was too slow", "Try again when it has less to do."],
};
const BY_CODE = {
  bad_image: ["The server cannot read this image"],
  bad_request: ["The server refuses this request"],
};
const WAITS = {
  busy: ["The server is busy", (s) => `Trying again in ${s} s.`],
  starting: ["The model is warming up", (s) => `Waiting for it, ${s} s so far.`],
  away: ["The server cannot be reached", (s) => `Trying to reach it, ${s} s so far.`],
};

/** An error as { title, text }. */
export function explained(error) {
  if (error instanceof Unreachable) {
    const title = "The connection broke off";
    return { title, text: "The server answers, but not to this request: is the image too large for a proxy?" };
  }
  if (error.status === undefined) return { title: "This page failed", text: String(error) };
  const fallback = [`The server failed (${error.status})`, error.requestId && `Request ${error.requestId}.`];
  const [title, advice] = BY_CODE[error.code] ?? BY_STATUS[error.status] ?? fallback;
  return { title, text: [sentence(error.message), advice].filter(Boolean).join(" ") };
}

/** Why the page waits as { title, text }. */
export function waiting(why, seconds) {
  const [title, text] = WAITS[why];
  return { title, text: text(seconds) };
}

/** The server's messages are clauses without a full stop. */
function sentence(text) {
  if (!text) return "";
  const full = /[.!?…]$/.test(text) ? text : `${text}.`;
  return full[0].toUpperCase() + full.slice(1);
}
