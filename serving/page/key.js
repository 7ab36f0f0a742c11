/** The key that requests are sent with. It lives as long as the tab. */

import { byId } from "./dom.js";

const STORED = "sightline-key";
const dialog = byId("key-dialog");
const input = byId("key");

export function currentKey() {
  return sessionStorage.getItem(STORED);
}

/** Opens the dialog, whose field gets the focus; `why` says what for. */
export function askForKey(why) {
  byId("key-why").textContent = why;
  input.value = currentKey() ?? "";
  if (!dialog.open) dialog.showModal();
  input.focus();
  input.select();
}

/** Calls `onKey` when another key was entered; an empty field means none. */
export function listenForKey(onKey) {
  byId("open-key").addEventListener("click", () =>
    askForKey("A server with keys answers only who sends one of them."),
  );
  byId("key-cancel").addEventListener("click", () => dialog.close());
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    store(input.value.trim());
    dialog.close();
    onKey();
  });
}

function store(key) {
  if (key) sessionStorage.setItem(STORED, key);
  else sessionStorage.removeItem(STORED);
}
