/** The answer as text: bars of a classifier's classes, a table of a detector's objects. */

import { colour } from "./colours.js";
import { element } from "./dom.js";
import { percent } from "./stage.js";

const FIRST = 20; // classes shown before somebody asks for all

/** Bars, the most probable first. `threshold` marks the classes of a multi-label model. */
export function showClasses(container, { probs, labels, threshold }, { onChoose, all = false }) {
  const order = probs.map((_, index) => index).sort((a, b) => probs[b] - probs[a]);
  const rows = order.slice(0, all ? undefined : FIRST).map((index, rank) => {
    const isChosen = threshold === undefined ? rank === 0 : probs[index] >= threshold;
    return element("li", {}, bar({ label: labels[index], share: probs[index], threshold, isChosen, onChoose }));
  });
  const more = () => showClasses(container, { probs, labels, threshold }, { onChoose, all: true });
  container.replaceChildren(element("ol", {}, ...rows));
  if (rows.length < order.length) {
    container.append(element("button", { type: "button", onclick: more }, `Show all ${order.length}`));
  }
}

function bar({ label, share, threshold, isChosen, onChoose }) {
  return element(
    "button",
    {
      type: "button",
      class: isChosen ? "class chosen" : "class",
      "data-target": label,
      "aria-pressed": "false",
      "--share": share,
      ...(threshold !== undefined && { "--threshold": threshold, "--mark": "block" }),
      onclick: () => onChoose(label),
    },
    element("span", {}, threshold !== undefined && isChosen ? `✓ ${label}` : label),
    element("span", { class: "share" }, percent(share)),
    element("span", { class: "track", "aria-hidden": "true" }),
  );
}

/** A table that says in words what the drawing shows. `size` is the image's, null if unknown. */
export function showObjects(container, objects, { labels, size, canExplain, onChoose, onPoint }) {
  if (!objects.length) {
    container.replaceChildren(element("p", { class: "note" }, "No object reaches the score threshold."));
    return;
  }
  const titles = ["Label", "Score", size ? "Place, px" : "Place, %", ...(canExplain ? ["Why"] : [])];
  const head = element("tr", {}, ...titles.map((title) => element("th", { scope: "col" }, title)));
  const rows = objects.map((object, index) =>
    element(
      "tr",
      { "data-row": index, onpointerenter: () => onPoint(index), onpointerleave: () => onPoint(null) },
      element(
        "td",
        {},
        element("i", { class: "swatch", "--colour": colour(labels.indexOf(object.label)).ground }),
        object.label,
      ),
      element("td", { class: "number" }, percent(object.score)),
      element("td", { class: "number" }, place(object.box, size ?? { width: 100, height: 100 })),
      ...(canExplain ? [element("td", {}, explainButton(object, index, onChoose))] : []),
    ),
  );
  container.replaceChildren(
    element("table", { "aria-label": "Objects" }, element("thead", {}, head), element("tbody", {}, ...rows)),
  );
}

function explainButton(object, index, onChoose) {
  return element(
    "button",
    {
      type: "button",
      "data-target": index,
      "aria-pressed": "false",
      "aria-label": `Explain object ${index + 1}, ${object.label}`,
      onclick: () => onChoose(index),
    },
    "Explain",
  );
}

/** Corners as "x1, y1 – x2, y2". */
function place(box, { width, height }) {
  const corner = (x, y) => `${Math.round(x * width)}, ${Math.round(y * height)}`;
  return `${corner(box.topX, box.topY)} – ${corner(box.bottomX, box.bottomY)}`;
}

/** Shows which class or object is explained, or that none is. */
export function markTarget(container, target) {
  for (const button of container.querySelectorAll("[data-target]")) {
    button.setAttribute("aria-pressed", String(button.dataset.target === String(target)));
  }
}

/** Stresses a row of the table, or none. */
export function stressRow(container, index) {
  for (const row of container.querySelectorAll("[data-row]")) {
    row.classList.toggle("active", row.dataset.row === String(index));
  }
}

/** The answer in a sentence, for the status line and screen readers. */
export function summary({ probs, labels, boxes }, threshold) {
  if (boxes) return objectCounts(boxes);
  if (threshold === undefined) {
    const best = probs.indexOf(Math.max(...probs));
    return `${labels[best]}, ${percent(probs[best])}`;
  }
  const found = labels.filter((_, index) => probs[index] >= threshold);
  return found.length ? found.join(", ") : "No class reaches the threshold";
}

function objectCounts(boxes) {
  const counts = Map.groupBy(boxes, (box) => box.label);
  const parts = [...counts].map(([label, { length }]) => `${length} × ${label}`);
  return boxes.length ? parts.join(", ") : "No objects";
}
