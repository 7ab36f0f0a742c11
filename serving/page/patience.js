/** What may be asked again is asked again: a busy server, one that starts, a network that returns. */

import { ServerError, Unreachable, isReady } from "./api.js";
import { pause } from "./dom.js";

const POLL_MS = 1000;

/**
 * Calls `attempt` until it succeeds or fails for good. `onWait(why, seconds)` is told each second
 * why it waits ("busy", "starting", "away") and for how much longer, or already, respectively.
 */
export async function patiently(attempt, { signal, onWait }) {
  let broken = 0;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof Unreachable) {
        const wasAway = await untilReady({ signal, onWait });
        broken = wasAway ? 0 : broken + 1;
        if (broken === 2) throw error; // the server is there, and this request breaks off again
      } else if (isTemporary(error)) {
        await countDown(error.retryAfterS ?? 2, { signal, onWait });
        await untilReady({ signal, onWait });
      } else {
        throw error;
      }
    }
  }
}

/** Waits until the model is warm; returns whether that took any waiting. */
export async function untilReady({ signal, onWait }) {
  const begin = performance.now();
  for (let waited = false; ; waited = true) {
    const state = await isReady(signal).then(
      (ready) => (ready ? "ready" : "starting"),
      () => "away",
    );
    signal.throwIfAborted();
    if (state === "ready") return waited;
    onWait(state, Math.round((performance.now() - begin) / 1000));
    await pause(POLL_MS, signal);
  }
}

async function countDown(seconds, { signal, onWait }) {
  for (let left = Math.ceil(seconds); left > 0; left--) {
    onWait("busy", left);
    await pause(1000, signal);
  }
}

function isTemporary(error) {
  return error instanceof ServerError && (error.status === 429 || error.status === 503);
}
