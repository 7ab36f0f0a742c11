/** Images from a drop, the clipboard or a file dialog, and the strip to go back to earlier ones. */

import { byId, element } from "./dom.js";

/** Reports every new set of images, [{ file, url, base64() }, …], to `onImages`. */
export function listenForImages(onImages) {
  const report = (files) => {
    if (files.length) onImages([...files].map(asImage));
  };
  const input = byId("files");
  input.addEventListener("change", () => {
    report(input.files);
    input.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => report(event.clipboardData?.files ?? []));
  listenForDrops(byId("stage"), report);
}

/** The whole window takes drops: one that misses must not make the browser leave the page. */
function listenForDrops(stage, report) {
  const mark = (isOver) => stage.classList.toggle("over", isOver);
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  window.addEventListener("dragleave", (event) => mark(event.relatedTarget !== null));
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    report(event.dataTransfer?.files ?? []);
  });
}

function asImage(file) {
  let text;
  return {
    file,
    url: URL.createObjectURL(file),
    base64: () => (text ??= readBase64(file)),
  };
}

function readBase64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });
}

/** Draws the strip; `onSelect` gets the place of the image that was chosen. */
export function renderStrip(strip, images, current, onSelect) {
  const buttons = images.map((image, index) =>
    element(
      "button",
      { type: "button", "aria-pressed": String(index === current), onclick: () => onSelect(index) },
      element("img", { src: image.url, alt: image.file.name }),
    ),
  );
  strip.replaceChildren(...buttons);
  buttons[current]?.scrollIntoView({ block: "nearest", inline: "nearest" });
}
