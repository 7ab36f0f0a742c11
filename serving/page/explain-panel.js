/** Which explanation is wanted, and the overlay that shows it. */

import { byId, element } from "./dom.js";
import { WHOLE, cropOf, paint, pixelScores, readNpy } from "./heatmap.js";

const METHODS = {
  xrai: "Whole regions, ranked",
  integrated_gradients: "Single pixels that add up to the class's score",
  guided_gradcam: "Fine structure where the class was found; fast",
  gradcam: "Roughly where the class was found; fast",
  guided_backprop: "Fine structure, hardly different between classes; fast",
  odam: "Where the score of this one object comes from",
};
const heat = byId("heat");
const method = byId("method");
const opacity = byId("opacity");

/** Lists the methods that the server has, its default first; `onMethod` is told of another choice. */
export function setUpExplanations(info, { onMethod, onHide }) {
  method.replaceChildren(...info.explanations.map((name) => element("option", {}, name)));
  const describe = () => (byId("method-hint").textContent = METHODS[method.value] ?? "");
  method.onchange = () => {
    describe();
    onMethod();
  };
  describe();
  opacity.oninput = fade;
  fade();
  byId("hide-heat").onclick = onHide;
  if (!info.explanations.length) {
    byId("explain-hint").textContent = "This server was started without explanations.";
    method.disabled = opacity.disabled = true;
  }
}

function fade() {
  heat.style.opacity = opacity.value / 100;
  byId("opacity-value").textContent = `${opacity.value} %`;
}

/** The JSON that asks for one class, by its label, or one box, by its place. */
export function explanationOf(target) {
  return {
    model_explainability: true,
    xai_parameters: {
      xai_algorithm: method.value,
      ...(typeof target === "string" ? { target_classes: [target] } : { boxes: [target] }),
      visualizations: false,
      attributions: true,
      attributions_encoding: "npy_f32",
    },
  };
}

/** Lays the map of `target` out of an answer over the image; `size` is the image's, or null. */
export function showHeat(answer, target, { size, settings }) {
  const isClass = typeof target === "string";
  const map = readNpy(answer.attributions[isClass ? 0 : target]);
  const part = isClass && size ? cropOf(size, settings) : WHOLE;
  for (const [name, value] of [
    ["left", part.x.start], ["top", part.y.start], ["width", part.x.share], ["height", part.y.share],
  ]) {
    heat.style.setProperty(`--${name}`, `${100 * value}%`);
  }
  heat.classList.toggle("crop", part !== WHOLE);
  paint(heat, pixelScores(map, method.value), method.value);
  heat.hidden = false;
  byId("hide-heat").hidden = false;
}

export function hideHeat() {
  heat.hidden = true;
  byId("hide-heat").hidden = true;
}

export const methodName = () => method.value;
