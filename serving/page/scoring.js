/** The one request that the page makes of /score, sent and shown. */

import { ask, serverTiming } from "./api.js";
import { byId } from "./dom.js";
import { currentKey } from "./key.js";
import { showWait } from "./notice.js";
import { patiently } from "./patience.js";
import { showRequest } from "./request-panel.js";
import { image, isDetector, state } from "./state.js";
import { showTimes } from "./times.js";

/** Asks about the current image; `more` goes beside it into the body. Returns the image's answer. */
export async function post(more, signal) {
  describeRequest(more);
  const body = JSON.stringify({ image_base64: await image().base64(), ...settings(), ...more });
  refuseTooLarge(body.length);
  const attempt = async () => {
    const begin = performance.now();
    const answer = await ask("score", { body, key: currentKey(), signal });
    return { ...answer, ms: performance.now() - begin };
  };
  const { value, headers, ms } = await patiently(attempt, { signal, onWait: showWait });
  signal.throwIfAborted();
  showTimes(byId("times"), serverTiming(headers), ms);
  return value[0];
}

/** Shows the request that `post(more)` would send. */
export function describeRequest(more = {}) {
  showRequest({
    url: new URL("score", document.baseURI).href,
    fileName: image()?.file.name ?? "photo.jpg",
    more: { ...settings(), ...more },
    hasKey: Boolean(currentKey()),
  });
}

/** Those that were moved; and polygons, which can be drawn, instead of masks. */
function settings() {
  if (!state.info || !isDetector()) return {};
  const drawable = state.info.settings.export_as_image ? { export_as_image: false } : {};
  const named = { ...drawable, ...state.changed };
  return Object.keys(named).length ? { settings: named } : {};
}

/** The server would break the connection off, which browsers report without a reason. */
function refuseTooLarge(bytes) {
  const limit = state.info.limits.max_body_bytes;
  if (bytes <= limit) return;
  const message = `as base64 the request has ${bytes.toLocaleString("en")} bytes, and the server takes ${limit.toLocaleString("en")}`;
  throw Object.assign(new Error(message), { status: 413 });
}
