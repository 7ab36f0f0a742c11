/** The page: what is shown, and what happens when somebody does something. */

import { ask } from "./api.js";
import { MULTILABEL_THRESHOLD, controlsOf, renderControls } from "./controls.js";
import { byId, debounced, latest } from "./dom.js";
import { explanationOf, hideHeat, methodName, setUpExplanations, showHeat } from "./explain-panel.js";
import { askForKey, currentKey, listenForKey } from "./key.js";
import { clearNotice, showError, showMessage, showWait } from "./notice.js";
import { patiently, untilReady } from "./patience.js";
import { listenForImages, renderStrip } from "./picker.js";
import { listenForCopies } from "./request-panel.js";
import { markTarget, showClasses, showObjects, stressRow, summary } from "./results.js";
import { describeRequest, post } from "./scoring.js";
import { Stage } from "./stage.js";
import { image, isDetector, isMultilabel, state } from "./state.js";

const SETTLE_MS = 120; // a slider moves in many small steps
const CHOOSE = "Choose a result to see which pixels speak for it.";
const MAY_LAST = "Explanations wait for scores: on a busy server they take a while.";
const NO_KEY = "This server answers only who sends one of its keys.";
const WRONG_KEY = "This server does not know the key that it got.";
const stage = new Stage();
const results = byId("results");
const status = (text) => (byId("status").textContent = text);

const connect = latest(async (signal) => {
  await untilReady({ signal, onWait: showWait });
  const load = () => ask("info", { key: currentKey(), signal });
  state.info = (await patiently(load, { signal, onWait: showWait })).value;
  clearNotice();
  const { model, task, engine } = state.info;
  const what = task.replace(/^image_/, "").replaceAll("_", " ");
  byId("facts").textContent = `${model} · ${what} · ${engine.name} on ${engine.device}`;
  setUpControls();
  setUpExplanations(state.info, { onMethod: () => state.target !== null && run(explain), onHide: forgetTarget });
  describeRequest();
  if (image()) run(score);
});

const show = latest(async (signal, index) => {
  score.abort();
  forgetTarget();
  state.current = index;
  clearNotice();
  showNothing();
  renderStrip(byId("strip"), state.images, index, (chosen) => run(show, chosen));
  const size = await stage.show(image());
  if (signal.aborted) return;
  state.size = size;
  describeRequest();
  if (state.info) run(score);
});

const score = latest(async (signal) => {
  forgetTarget();
  stage.busy = true;
  const answer = await post({}, signal);
  clearNotice();
  state.answer = answer;
  stage.busy = false;
  showAnswer();
  if (!state.size) showMessage("Your browser cannot show this format", "The server can: its answer is beside.");
});

const explain = latest(async (signal) => {
  const target = state.target;
  hideHeat();
  stage.busy = true;
  byId("explain-hint").textContent = MAY_LAST;
  status(`Explaining by ${methodName()}…`);
  const answer = await post(explanationOf(target), signal);
  stage.busy = false;
  const error = answer.explanation_error;
  if (error) {
    forgetTarget();
    status("");
    showMessage("No explanation", error.message);
    return;
  }
  clearNotice();
  showHeat(answer, target, { size: state.size, settings: state.info.settings });
  const name = typeof target === "string" ? target : `object ${target + 1}, ${answer.boxes[target].label}`;
  byId("explain-hint").textContent = `The brighter a pixel, the more it speaks for ${name}.`;
  status(`Explained ${name}, by ${methodName()}`);
});

function showAnswer() {
  const { labels, explanations } = state.info;
  const canExplain = explanations.length > 0;
  const threshold = isMultilabel() ? (state.changed[MULTILABEL_THRESHOLD] ?? 0.5) : undefined;
  const handlers = { onChoose: choose, onPoint: point };
  if (state.answer.boxes) {
    stage.draw(state.answer.boxes, { labels, ...handlers });
    showObjects(results, state.answer.boxes, { labels, size: state.size, canExplain, ...handlers });
  } else {
    showClasses(results, { ...state.answer, threshold }, handlers);
  }
  markTarget(results, state.target);
  status(summary(state.answer, threshold));
}

/** What is shown must not be the answer to an earlier question. */
function showNothing() {
  state.answer = null;
  stage.clear();
  results.replaceChildren();
  status("");
}

/** Explains a class, by its label, or an object, by its place. */
function choose(target) {
  if (!state.info.explanations.length) return;
  state.target = target;
  markTarget(results, target);
  point(null);
  run(explain);
}

/** Stresses the object under the pointer, or else the one that is explained. */
function point(index) {
  const stressed = index ?? state.target;
  stage.stress(stressed, { alone: index === null && state.target !== null });
  stressRow(results, stressed);
}

function forgetTarget() {
  explain.abort();
  if (state.info?.explanations.length) byId("explain-hint").textContent = CHOOSE;
  stage.busy = false;
  state.target = null;
  hideHeat();
  markTarget(results, null);
  point(null);
}

function setUpControls() {
  const { controls, start } = controlsOf(state.info);
  state.changed = {};
  byId("controls-card").hidden = !controls.length;
  byId("reset").disabled = true;
  renderControls(byId("controls"), { controls, start }, (name, value) => {
    state.changed[name] = value;
    byId("reset").disabled = false;
    describeRequest();
    refreshSoon();
  });
}

/** Has the settings' effect: a detector is asked again, a classifier's answer holds all there is. */
function refresh() {
  if (!image()) return;
  if (isDetector()) run(score);
  else if (state.answer) showAnswer();
}

const refreshSoon = debounced(refresh, SETTLE_MS);

/** Runs a task and shows how it fails. */
async function run(task, ...values) {
  try {
    await task(...values);
  } catch (error) {
    stage.busy = false;
    if (task === score) showNothing();
    if (task === connect) byId("facts").textContent = "Not connected";
    showError(error);
    if (error.status === 401) askForKey(currentKey() ? WRONG_KEY : NO_KEY);
  }
}

listenForImages((images) => {
  const first = state.images.length;
  state.images.push(...images);
  run(show, first);
});
listenForKey(() => run(connect));
listenForCopies(status);
byId("reset").addEventListener("click", () => {
  setUpControls();
  byId("controls").querySelector("input, select").focus(); // the button has nothing to do any more
  describeRequest();
  refresh();
});
describeRequest();
run(connect);
