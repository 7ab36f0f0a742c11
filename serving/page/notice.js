/** The box over the image that says what went wrong, or what the page waits for. */

import { byId, element } from "./dom.js";
import { explained, waiting } from "./messages.js";

const notice = byId("notice");

export function clearNotice() {
  notice.replaceChildren();
}

export function showError(error) {
  write(explained(error), { waits: false });
}

export function showMessage(title, text) {
  write({ title, text }, { waits: false });
}

/** Seconds pass in an element that is not read out again and again. */
export function showWait(why, seconds) {
  const { title, text } = waiting(why, seconds);
  if (notice.firstChild?.textContent !== title) write({ title, text: "" }, { waits: true });
  notice.lastChild.textContent = text;
}

function write({ title, text }, { waits }) {
  notice.classList.toggle("waits", waits);
  const hidden = waits ? { "aria-hidden": "true" } : {};
  notice.replaceChildren(element("strong", {}, title), element("span", hidden, text));
}
