/** A request's stages as one bar and in numbers. */

import { colour } from "./colours.js";
import { element } from "./dom.js";

const SHORTEST_MS = 0.05;

/** `stages` are a Server-Timing header's, its "total" included; `wholeMs` is what the browser saw. */
export function showTimes(container, stages, wholeMs) {
  const total = Object.fromEntries(stages).total ?? 0;
  const parts = stages.filter(([name, ms]) => name !== "total" && ms >= SHORTEST_MS);
  const shown = [...parts, ["network and browser", Math.max(0, wholeMs - total)]].map(([name, ms], index) => ({
    name, ms, paint: colour(index).ground,
  }));
  const bar = shown.map(({ ms, paint }) => element("i", { "--ms": ms, "--colour": paint }));
  const legend = shown.map(({ name, ms, paint }) =>
    element(
      "div",
      {},
      element("dt", {}, element("i", { class: "swatch", "--colour": paint }), name),
      element("dd", {}, duration(ms)),
    ),
  );
  container.replaceChildren(
    element("div", { class: "parts", "aria-hidden": "true" }, ...bar),
    element("dl", { class: "legend" }, ...legend),
  );
}

const duration = (ms) => (ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(1)} s`);
