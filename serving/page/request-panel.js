/** The request as a program, in the language chosen, and the button that copies it. */

import { byId } from "./dom.js";
import { curl, python } from "./snippets.js";

const LANGUAGES = { curl, python };
const snippet = byId("snippet");
let request;

/** Shows what the page sends: see snippets.js. */
export function showRequest(next) {
  request = next;
  const { value } = document.querySelector("input[name=language]:checked");
  snippet.textContent = LANGUAGES[value](request);
}

export function listenForCopies(status) {
  for (const choice of document.querySelectorAll("input[name=language]")) {
    choice.addEventListener("change", () => showRequest(request));
  }
  byId("copy").addEventListener("click", async () => {
    status(await copy());
  });
}

/** Only pages from https or this machine may write to the clipboard. */
async function copy() {
  try {
    await navigator.clipboard.writeText(snippet.textContent);
    return "Request copied";
  } catch {
    getSelection().selectAllChildren(snippet);
    return "Request selected; copy it with Ctrl-C";
  }
}
