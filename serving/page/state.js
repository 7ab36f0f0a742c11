/** What the page knows, and the few questions that are asked about it. */

/**
 * info: the answer of GET /info; changed: settings that were moved, by name; current: the place of
 * the image on the stage, size its { width, height } or null, answer what /score says of it, target
 * the class (a label) or object (a place) that is explained, or null.
 */
export const state = {
  info: null, changed: {}, images: [], current: -1, size: null, answer: null, target: null,
};

export const image = () => state.images[state.current];
export const isMultilabel = () => state.info.task === "image_classification_multilabel";
export const isDetector = () => "box_score_thresh" in state.info.settings;
