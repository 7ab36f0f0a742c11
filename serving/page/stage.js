/** The image with what was found drawn over it. Coordinates are the wire's: ratios of the sides. */

import { colour } from "./colours.js";
import { byId, element, shape } from "./dom.js";

const UNCROWDED = 12; // of more objects only the chosen one's label is written

export class Stage {
  #frame = byId("frame");
  #photo = byId("photo");
  #shapes = byId("shapes");
  #chips = byId("chips");
  #parts = [];

  /** Shows an image; returns its { width, height }, or null where the browser cannot decode it. */
  async show(image) {
    this.#photo.src = image.url;
    this.#photo.alt = image.file.name;
    const size = await this.#photo.decode().then(
      () => ({ width: this.#photo.naturalWidth, height: this.#photo.naturalHeight }),
      () => null,
    );
    this.#photo.hidden = size === null;
    this.#frame.style.setProperty("--ratio", size ? size.width / size.height : 4 / 3);
    this.#frame.hidden = false;
    byId("empty").hidden = true;
    return size;
  }

  set busy(isBusy) {
    this.#frame.classList.toggle("busy", isBusy);
  }

  clear() {
    this.draw([], { labels: [] });
  }

  /** Draws the objects of an answer; colours follow the labels. */
  draw(objects, { labels, onChoose, onPoint }) {
    this.#parts = objects.map((object, index) => {
      const paint = colour(labels.indexOf(object.label));
      const group = shape("g", {}, ...outlines(object, paint));
      group.addEventListener("click", () => onChoose(index));
      group.addEventListener("pointerenter", () => onPoint(index));
      group.addEventListener("pointerleave", () => onPoint(null));
      return { group, chip: chip(object, paint, objects.length > UNCROWDED), area: area(object.box) };
    });
    const bySize = this.#parts.toSorted((a, b) => b.area - a.area); // small ones can be clicked
    this.#shapes.replaceChildren(...bySize.map((part) => part.group));
    this.#chips.replaceChildren(...this.#parts.map((part) => part.chip));
  }

  /** Stresses one object, or none; `alone`: fades the others, which would hide its explanation. */
  stress(chosen, { alone }) {
    this.#shapes.classList.toggle("single", alone);
    this.#parts.forEach(({ group, chip }, index) => {
      group.classList.toggle("active", index === chosen);
      chip.classList.toggle("active", index === chosen);
    });
  }
}

function outlines({ box, polygon }, paint) {
  const rectangle = {
    x: box.topX, y: box.topY, width: box.bottomX - box.topX, height: box.bottomY - box.topY,
  };
  const mask = { class: "mask", d: path(polygon ?? []), fill: paint.ground, stroke: paint.ground };
  return [
    shape("rect", { class: "halo", ...rectangle }),
    ...(polygon ? [shape("path", { ...mask, "fill-rule": "evenodd" })] : []),
    shape("rect", { class: "outline", ...rectangle, stroke: paint.ground }),
  ];
}

/** Rings of x1, y1, x2, y2, … as the path of an SVG. */
function path(rings) {
  return rings.filter((ring) => ring.length).map((ring) => `M${ring.join(" ")}Z`).join("");
}

function chip({ box, label, score }, paint, isCrowded) {
  const isInside = box.topY < 0.07;
  const isRight = box.topX + box.bottomX > 1.3;
  const node = element(
    "span",
    { class: ["chip", isInside && "inside", isCrowded && "crowded"].filter(Boolean).join(" ") },
    `${label} ${percent(score)}`,
  );
  Object.assign(node.style, {
    top: ratio(box.topY),
    [isRight ? "right" : "left"]: ratio(isRight ? 1 - box.bottomX : box.topX),
    background: paint.ground,
    color: paint.text,
  });
  return node;
}

const area = (box) => (box.bottomX - box.topX) * (box.bottomY - box.topY);
const ratio = (value) => `${100 * value}%`;
export const percent = (value) => `${(100 * value).toFixed(value > 0.995 || value < 0.1 ? 1 : 0)} %`;
