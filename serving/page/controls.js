/** Sliders for what a request may change, each beginning at the server's own setting. */

import { element } from "./dom.js";

const SHARE = { min: 0, max: 1, step: 0.01 };

/** By the names of GET /info; those that a model lacks are left out. */
const CONTROLS = [
  { name: "box_score_thresh", label: "Score threshold", ...SHARE },
  { name: "nms_iou_thresh", label: "NMS: boxes may overlap by (IoU)", ...SHARE },
  { name: "box_detections_per_img", label: "Objects at most", min: 1, max: 300, step: 1 },
  { name: "mask_pixel_score_threshold", label: "Mask threshold", ...SHARE },
  { name: "max_number_of_polygon_points", label: "Polygon points at most", min: 3, max: 300, step: 1 },
  { name: "tile_grid_size", label: "Tile grid", options: ["none", "auto", "2x1", "2x2", "3x2", "3x3", "4x3"] },
  { name: "tile_overlap_ratio", label: "Tile overlap", ...SHARE, max: 0.9, needsTiles: true },
  { name: "tile_predictions_nms_thresh", label: "NMS between tiles (IoU)", ...SHARE, needsTiles: true },
];

export const MULTILABEL_THRESHOLD = "threshold";
const MULTILABEL = [
  { name: MULTILABEL_THRESHOLD, label: "A class is found from a probability of", ...SHARE },
];
const MULTILABEL_START = { [MULTILABEL_THRESHOLD]: 0.5 };

/** What this model's request can change: { controls, start }. */
export function controlsOf(info) {
  if (info.task === "image_classification_multilabel") {
    return { controls: MULTILABEL, start: MULTILABEL_START };
  }
  return { controls: CONTROLS.filter(({ name }) => name in info.settings), start: info.settings };
}

/** Draws the controls; `onChange(name, value)` is called while one moves. */
export function renderControls(container, { controls, start }, onChange) {
  const inputs = new Map();
  const update = () => {
    const isTiled = inputs.get("tile_grid_size")?.value !== "none";
    for (const { name, needsTiles } of controls) {
      inputs.get(name).disabled = Boolean(needsTiles) && !isTiled;
    }
  };
  const fields = controls.map((control) => {
    const changed = (value) => {
      update();
      onChange(control.name, value);
    };
    const value = start[control.name];
    const { input, output } = control.options ? choice(control, value, changed) : slider(control, value, changed);
    inputs.set(control.name, input);
    const label = element("label", { for: input.id }, control.label);
    return element("div", { class: "field" }, label, ...output, input);
  });
  container.replaceChildren(...fields);
  update();
}

function slider({ name, min, max, step }, value, onChange) {
  const id = `set-${name}`;
  const output = element("output", { for: id }, String(value));
  const highest = Math.max(max, value);
  const input = element("input", {
    id, type: "range", min, max: highest, step, value,
    oninput: () => {
      output.textContent = input.value;
      onChange(Number(input.value));
    },
  });
  return { input, output: [output] };
}

function choice({ name, options }, value, onChange) {
  const known = value === null || options.includes(value) ? options : [...options, value];
  const input = element(
    "select",
    { id: `set-${name}`, onchange: () => onChange(input.value === "none" ? null : input.value) },
    ...known.map((option) => element("option", {}, option)),
  );
  input.value = value ?? "none";
  return { input, output: [] };
}
