/**
 * The dog's face: a dark screen with glowing eyes, brows, nose and mouth, drawn from nine parameters.
 * The server draws the same geometry, so it is written down here.
 *
 * Unit u = min(height, 0.75 * width); the origin is the centre of the picture, x to the right, y DOWN, all in u.
 * A 4:3 picture is 1.333 u wide and 1 u high. s = -1 for the eye on the left of the picture, +1 for the right one.
 * Every part is one of: filled ellipse (centre; rx, ry), filled polygon, polyline with round caps (width). Order matters.
 *
 * | # | part       | colour        | geometry                                                                     |
 * |---|------------|---------------|------------------------------------------------------------------------------|
 * | 1 | background | BACKGROUND    | whole picture                                                                |
 * | 2 | cheeks     | mix(BACKGROUND, BLUSH, 0.6 blush)   | ellipse (0.47 s, 0.17); 0.095, 0.052                   |
 * | 3 | eye        | color         | ellipse (0.28 s, -0.05); 0.135, ry = max(0.014, 0.17 eye_open)               |
 * | 4 | pupil      | BACKGROUND    | only if eye_open > 0.2: ellipse (0.28 s + 0.055 pupil_x, -0.05 - 0.055 pupil_y); |
 * |   |            |               | 0.064, min(0.08, 0.75 ry)                                                    |
 * | 5 | glint      | GLINT         | only if eye_open > 0.5: circle (pupil.x + 0.022, pupil.y - 0.028); 0.017     |
 * | 6 | lower lid  | BACKGROUND    | only if smile > 0: ellipse (0.28 s, -0.05 + 0.36 - 0.13 smile); 0.21, 0.16   |
 * | 7 | upper lid  | BACKGROUND    | polygon (0.28 s - 0.17 s, lid_in) (0.28 s + 0.17 s, lid_out) and back along y = -0.42; |
 * |   |            |               | lid_in = -0.30 + 0.17 max(0, brow_angle), lid_out = -0.30 + 0.17 max(0, -brow_angle) |
 * | 8 | brow       | color         | polyline, width 0.042: (0.28 s - 0.13 s, by + 0.065 a) (0.28 s, by - 0.018)  |
 * |   |            |               | (0.28 s + 0.13 s, by - 0.065 a); by = -0.335 - 0.05 brow_height, a = brow_angle |
 * | 9 | nose       | color         | ellipse (0, 0.125); 0.056, 0.036                                             |
 * |10 | bridge     | color         | polyline, width 0.024: (0, 0.14) (0, lip(0))                                 |
 * |11 | mouth      | mix(BACKGROUND, color, 0.38) | polygon between lip(t) and lip(t) + 0.2 mouth_open (1 - t^2)  |
 * |12 | tongue     | TONGUE        | only if mouth_open > 0.2: ellipse (0, lip(0) + 0.14 mouth_open); 0.075, 0.052 mouth_open |
 * |13 | lips       | color         | polylines, width 0.032: lip(t), and the lower edge if mouth_open > 0.05      |
 *
 * lip(t), t = -1..1 in 17 points, x = 0.2 t:   y = 0.26 + 0.075 smile (1 - 2 t^2) - 0.035 (1 - |t|)^2
 * mix(a, b, w) = a + (b - a) w per channel. The page adds a soft glow around everything in `color`; it is no geometry.
 *
 * @typedef {import("./messages.js").FaceParameters} FaceParameters
 */

export const BACKGROUND = "#12151c";
const BLUSH = "#ff8a9a";
const TONGUE = "#f0788c";
const GLINT = "#ffffff";
const EYE_X = 0.28;
const EYE_Y = -0.05;

/** Resting face; also what is shown before the first state arrives. @type {FaceParameters} */
export const NEUTRAL_FACE = {
  eye_open: 1, pupil_x: 0, pupil_y: 0, brow_angle: 0, brow_height: 0, smile: 0.15, mouth_open: 0, blush: 0,
  color: "#7fe3d4",
};

/** What a person with each emotion looks like, for the buttons. The dog's own face comes from the server. */
export const EMOTION_FACES = {
  neutral: { color: "#d9dde6" },
  calm: { eye_open: 0.45, smile: 0.5, color: "#7fe3d4" },
  happy: { eye_open: 1.05, smile: 1, mouth_open: 0.75, brow_height: 0.6, blush: 0.9, color: "#ffd166" },
  sad: { eye_open: 0.7, pupil_y: -0.7, brow_angle: -0.9, smile: -0.8, color: "#8ab8f5" },
  angry: { eye_open: 0.85, brow_angle: 1, brow_height: -0.7, smile: -0.7, color: "#ff7a66" },
  fearful: { eye_open: 1.25, pupil_y: 0.2, brow_angle: -0.8, brow_height: 0.8, smile: -0.5, mouth_open: 0.35,
    color: "#c3a6f7" },
  disgust: { eye_open: 0.5, pupil_x: 0.8, brow_angle: 0.5, brow_height: -0.4, smile: -0.9, color: "#b4d765" },
  surprised: { eye_open: 1.3, brow_height: 1, smile: 0, mouth_open: 1, color: "#ff9fc6" },
};

const clamp = (value, low, high) => Math.min(high, Math.max(low, Number(value) || 0));

function channels(hex) {
  const value = /^#[0-9a-f]{6}$/i.test(hex) ? parseInt(hex.slice(1), 16) : 0x7fe3d4;
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** Colour `weight` of the way from `from` to `to`, both "#rrggbb". */
export function mix(from, to, weight) {
  const [a, b] = [channels(from), channels(to)];
  return `#${a.map((v, i) => Math.round(v + (b[i] - v) * weight).toString(16).padStart(2, "0")).join("")}`;
}

/** All parameters present and inside their ranges. */
export function sanitised(parameters) {
  const p = { ...NEUTRAL_FACE, ...parameters };
  const signed = Object.fromEntries(["pupil_x", "pupil_y", "brow_angle", "brow_height", "smile"]
    .map((name) => [name, clamp(p[name], -1, 1)]));
  return { ...signed, eye_open: clamp(p.eye_open, 0, 1.3), mouth_open: clamp(p.mouth_open, 0, 1),
    blush: clamp(p.blush, 0, 1), color: mix(p.color, p.color, 0) };
}

/** Drawing in units of u around the centre of the canvas. */
class Pen {
  constructor(context, width, height) {
    this.context = context;
    this.unit = Math.min(height, 0.75 * width);
    this.x = (value) => width / 2 + value * this.unit;
    this.y = (value) => height / 2 + value * this.unit;
  }

  ellipse(cx, cy, rx, ry, color) {
    this.context.fillStyle = color;
    this.context.beginPath();
    this.context.ellipse(this.x(cx), this.y(cy), rx * this.unit, Math.max(ry, 0) * this.unit, 0, 0, 2 * Math.PI);
    this.context.fill();
  }

  #path(points) {
    this.context.beginPath();
    points.forEach(([x, y], i) => this.context[i ? "lineTo" : "moveTo"](this.x(x), this.y(y)));
  }

  polygon(points, color) {
    this.#path(points);
    this.context.fillStyle = color;
    this.context.fill();
  }

  polyline(points, width, color) {
    this.#path(points);
    Object.assign(this.context, { strokeStyle: color, lineWidth: width * this.unit, lineCap: "round", lineJoin: "round" });
    this.context.stroke();
  }

  glow(color) {
    this.context.shadowColor = color ?? "transparent";
    this.context.shadowBlur = color ? 0.07 * this.unit : 0;
  }
}

function drawEye(pen, side, p) {
  const x = EYE_X * side;
  const ry = Math.max(0.014, 0.17 * p.eye_open);
  pen.glow(p.color);
  pen.ellipse(x, EYE_Y, 0.135, ry, p.color);
  pen.glow(null);
  const [pupilX, pupilY] = [x + 0.055 * p.pupil_x, EYE_Y - 0.055 * p.pupil_y];
  if (p.eye_open > 0.2) pen.ellipse(pupilX, pupilY, 0.064, Math.min(0.08, 0.75 * ry), BACKGROUND);
  if (p.eye_open > 0.5) pen.ellipse(pupilX + 0.022, pupilY - 0.028, 0.017, 0.017, GLINT);
  if (p.smile > 0) pen.ellipse(x, EYE_Y + 0.36 - 0.13 * p.smile, 0.21, 0.16, BACKGROUND);
  const [inner, outer] = [x - 0.17 * side, x + 0.17 * side];
  const lidIn = -0.3 + 0.17 * Math.max(0, p.brow_angle);
  const lidOut = -0.3 + 0.17 * Math.max(0, -p.brow_angle);
  pen.polygon([[inner, lidIn], [outer, lidOut], [outer, -0.42], [inner, -0.42]], BACKGROUND);
}

function drawBrow(pen, side, p) {
  const [x, y] = [EYE_X * side, -0.335 - 0.05 * p.brow_height];
  const tilt = 0.065 * p.brow_angle;
  pen.polyline([[x - 0.13 * side, y + tilt], [x, y - 0.018], [x + 0.13 * side, y - tilt]], 0.042, p.color);
}

function drawMouth(pen, p) {
  const steps = Array.from({ length: 17 }, (_, i) => i / 8 - 1);
  const lip = (t) => 0.26 + 0.075 * p.smile * (1 - 2 * t * t) - 0.035 * (1 - Math.abs(t)) ** 2;
  const upper = steps.map((t) => [0.2 * t, lip(t)]);
  const lower = steps.map((t) => [0.2 * t, lip(t) + 0.2 * p.mouth_open * (1 - t * t)]);
  pen.ellipse(0, 0.125, 0.056, 0.036, p.color);
  pen.polyline([[0, 0.14], [0, lip(0)]], 0.024, p.color);
  pen.glow(null);
  pen.polygon([...upper, ...lower.toReversed()], mix(BACKGROUND, p.color, 0.38));
  if (p.mouth_open > 0.2) pen.ellipse(0, lip(0) + 0.14 * p.mouth_open, 0.075, 0.052 * p.mouth_open, TONGUE);
  pen.glow(p.color);
  if (p.mouth_open > 0.05) pen.polyline(lower, 0.032, p.color);
  pen.polyline(upper, 0.032, p.color);
}

/**
 * Draw the face over the whole canvas.
 * @param {CanvasRenderingContext2D} context
 * @param {number} width  px
 * @param {number} height  px
 * @param {Partial<FaceParameters>} parameters
 */
export function drawFace(context, width, height, parameters) {
  const p = sanitised(parameters);
  const pen = new Pen(context, width, height);
  pen.glow(null);
  context.fillStyle = BACKGROUND;
  context.fillRect(0, 0, width, height);
  for (const side of [-1, 1]) pen.ellipse(0.47 * side, 0.17, 0.095, 0.052, mix(BACKGROUND, BLUSH, 0.6 * p.blush));
  for (const side of [-1, 1]) drawEye(pen, side, p);
  pen.glow(p.color);
  for (const side of [-1, 1]) drawBrow(pen, side, p);
  drawMouth(pen, p);
  pen.glow(null);
}

/** Eases the drawn face towards the last one received and redraws its canvases only when something moved. */
export class FaceAnimator {
  constructor() {
    this.current = sanitised(NEUTRAL_FACE);
    this.target = this.current;
    this.canvases = [];
    this.dirty = true;
  }

  /** @param {HTMLCanvasElement} canvas @param {() => void} [drawn] called after each redraw */
  add(canvas, drawn = () => {}) {
    this.canvases.push({ canvas, context: canvas.getContext("2d"), drawn });
    this.dirty = true;
  }

  remove(canvas) {
    this.canvases = this.canvases.filter((entry) => entry.canvas !== canvas);
  }

  set(parameters) {
    this.target = sanitised(parameters);
  }

  /** @param {number} seconds since the last call */
  update(seconds) {
    const weight = 1 - Math.exp(-seconds / 0.06);
    const next = { ...this.target };
    let moved = this.target.color !== this.current.color;
    for (const [name, value] of Object.entries(this.target)) {
      if (typeof value !== "number") continue;
      const gap = value - this.current[name];
      if (Math.abs(gap) < 0.004) continue;
      next[name] = this.current[name] + gap * weight;
      moved = true;
    }
    if (!moved && !this.dirty) return;
    this.current = next;
    this.dirty = false;
    for (const { canvas, context, drawn } of this.canvases) {
      drawFace(context, canvas.width, canvas.height, next);
      drawn();
    }
  }
}
