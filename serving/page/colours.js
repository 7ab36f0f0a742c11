/** Colours that people with any colour vision tell apart: Okabe and Ito's, without black. */

const PALETTE = [
  ["#56b4e9", "#000"],
  ["#e69f00", "#000"],
  ["#009e73", "#000"],
  ["#cc79a7", "#000"],
  ["#f0e442", "#000"],
  ["#d55e00", "#000"],
  ["#0072b2", "#fff"],
];

/** The colour with a number, and that of text on it. */
export function colour(index) {
  const [ground, text] = PALETTE[Math.max(0, index) % PALETTE.length];
  return { ground, text };
}
