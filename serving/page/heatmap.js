/** Attributions as the server sends them, to pixels that lie over the image. */

const SPECKLED = new Set(["integrated_gradients", "guided_backprop", "guided_gradcam"]);
const STOPS = [[87, 16, 110], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];

/** base64 of an .npy file of little-endian float32 in C order to { shape, values }. */
export function readNpy(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const headerLength = new DataView(bytes.buffer).getUint16(8, true);
  const header = new TextDecoder("latin1").decode(bytes.subarray(10, 10 + headerLength));
  const [, shape] = /'descr': '<f4', 'fortran_order': False, 'shape': \(([^)]*)\)/.exec(header);
  const values = new Float32Array(bytes.buffer, 10 + headerLength); // numpy aligns it to 64 bytes
  return { shape: shape.split(",").filter((part) => part.trim()).map(Number), values };
}

/**
 * How much each pixel of a map (3, H, W) or (H, W) matters, by the rules of the server's pictures:
 * the value itself, of methods that mark single pixels the sum of the absolute values.
 */
export function pixelScores({ shape, values }, method) {
  const [height, width] = shape.slice(-2);
  const size = width * height;
  if (!SPECKLED.has(method)) return { width, height, scores: values.subarray(0, size) };
  const scores = new Float32Array(size);
  values.forEach((value, index) => (scores[index % size] += Math.abs(value)));
  return { width, height, scores };
}

/** Paints scores from the lowest, which is clear, to the highest. */
export function paint(canvas, { width, height, scores }, method) {
  const [low, high] = range(scores, SPECKLED.has(method) ? 0.99 : 1);
  const image = new ImageData(width, height);
  scores.forEach((score, index) => {
    const level = high > low ? Math.min(1, Math.max(0, (score - low) / (high - low))) : 0;
    image.data.set([...heat(level), 255 * level ** 0.8], 4 * index);
  });
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** From the lowest score to a quantile; to the highest if a few pixels stand on even ground. */
function range(scores, quantile) {
  const sorted = scores.toSorted();
  const high = sorted[Math.round(quantile * (sorted.length - 1))];
  return [sorted[0], high > sorted[0] ? high : sorted.at(-1)];
}

function heat(level) {
  const place = level * (STOPS.length - 1);
  const below = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[below].map((from, channel) => from + (place - below) * (STOPS[below + 1][channel] - from));
}

/**
 * Which part of an image of { width, height } a classifier sees, as ratios: the short side is
 * resized to `valid_resize_size`, then the centre is cut out.
 */
export function cropOf(size, { valid_resize_size: resized, valid_crop_size: crop }) {
  const short = Math.min(size.width, size.height);
  const span = (length) => {
    const whole = Math.floor((resized * length) / short);
    return { start: Math.round((whole - crop) / 2) / whole, share: crop / whole };
  };
  return { x: span(size.width), y: span(size.height) };
}

export const WHOLE = { x: { start: 0, share: 1 }, y: { start: 0, share: 1 } };
