/**
 * The dog's face: a dark screen with glowing eyes, brows, nose and mouth, drawn from nine parameters.
 * The server draws the same geometry: places and sizes stand in face.json, which both read.
 *
 * Unit u = min(height, 0.75 * width); the origin is the centre of the picture, x to the right, y DOWN, all in u.
 * A 4:3 picture is 1.333 u wide and 1 u high. s = -1 for the eye on the left of the picture, +1 for the right one.
 * Every part is one of: filled ellipse (centre; rx, ry), filled polygon, polyline with round caps (width). Order matters.
 * What has an `above` is drawn only where its parameter (eye_open, mouth_open) is larger than that.
 *
 * | # | part       | colour        | geometry, by the names in face.json                                          |
 * |---|------------|---------------|------------------------------------------------------------------------------|
 * | 1 | background | background    | whole picture                                                                |
 * | 2 | cheeks     | mix(background, cheek.color, share blush) | ellipse (x s, y); rx, ry                         |
 * | 3 | eye        | color         | ellipse (x s, y); rx, max(least_ry, ry eye_open)                             |
 * | 4 | pupil      | background    | ellipse eye + shift (pupil_x, -pupil_y); rx, min(ry, share_ry of the eye's)  |
 * | 5 | glint      | glint.color   | circle pupil + (x, y); r                                                     |
 * | 6 | lower lid  | background    | only if smile > 0: ellipse eye + (0, y - rise smile); rx, ry                 |
 * | 7 | upper lid  | background    | polygon from eye.x s - x s to eye.x s + x s between `top` and y + drop brow_angle, |
 * |   |            |               | where that angle lowers this end                                             |
 * | 8 | brow       | color         | polyline of three points: ends at +-x s, lowered and raised by tilt brow_angle, |
 * |   |            |               | middle raised by `bend`; all at y - rise brow_height                         |
 * | 9 | nose       | color         | ellipse (0, y); rx, ry                                                       |
 * |10 | bridge     | color         | polyline (0, y) (0, lip(0))                                                  |
 * |11 | mouth      | mix(background, color, share) | polygon between lip(t) and lip(t) + open mouth_open (1 - t^2) |
 * |12 | tongue     | tongue.color  | ellipse (0, lip(0) + y mouth_open); rx, ry mouth_open                        |
 * |13 | lips       | color         | polylines: lip(t), and the lower edge                                        |
 *
 * lip(t), t = -1..1 in `points`, x = mouth.x t:   y + curve smile (1 - 2 t^2) - dip (1 - |t|)^2
 * mix(a, b, w) = a + (b - a) w per channel. The page adds a soft glow around everything in `color`; it is no geometry.
 *
 * @typedef {import("./messages.js").FaceParameters} FaceParameters
 */

const G = await (await fetch(new URL("./face.json", import.meta.url))).json();

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
  const { eye, pupil, glint, lower_lid: lower, upper_lid: upper } = G;
  const x = eye.x * side;
  const ry = Math.max(eye.least_ry, eye.ry * p.eye_open);
  pen.glow(p.color);
  pen.ellipse(x, eye.y, eye.rx, ry, p.color);
  pen.glow(null);
  const [pupilX, pupilY] = [x + pupil.shift * p.pupil_x, eye.y - pupil.shift * p.pupil_y];
  if (p.eye_open > pupil.above) pen.ellipse(pupilX, pupilY, pupil.rx, Math.min(pupil.ry, pupil.share_ry * ry), G.background);
  if (p.eye_open > glint.above) pen.ellipse(pupilX + glint.x, pupilY + glint.y, glint.r, glint.r, glint.color);
  if (p.smile > 0) pen.ellipse(x, eye.y + lower.y - lower.rise * p.smile, lower.rx, lower.ry, G.background);
  const [inner, outer] = [x - upper.x * side, x + upper.x * side];
  const lidIn = upper.y + upper.drop * Math.max(0, p.brow_angle);
  const lidOut = upper.y + upper.drop * Math.max(0, -p.brow_angle);
  pen.polygon([[inner, lidIn], [outer, lidOut], [outer, upper.top], [inner, upper.top]], G.background);
}

function drawBrow(pen, side, p) {
  const { eye, brow } = G;
  const [x, y] = [eye.x * side, brow.y - brow.rise * p.brow_height];
  const tilt = brow.tilt * p.brow_angle;
  pen.polyline([[x - brow.x * side, y + tilt], [x, y - brow.bend], [x + brow.x * side, y - tilt]], brow.width, p.color);
}

function drawMouth(pen, p) {
  const { nose, bridge, mouth, tongue, lips } = G;
  const steps = Array.from({ length: mouth.points }, (_, i) => (2 * i) / (mouth.points - 1) - 1);
  const lip = (t) => mouth.y + mouth.curve * p.smile * (1 - 2 * t * t) - mouth.dip * (1 - Math.abs(t)) ** 2;
  const upper = steps.map((t) => [mouth.x * t, lip(t)]);
  const lower = steps.map((t) => [mouth.x * t, lip(t) + mouth.open * p.mouth_open * (1 - t * t)]);
  pen.ellipse(0, nose.y, nose.rx, nose.ry, p.color);
  pen.polyline([[0, bridge.y], [0, lip(0)]], bridge.width, p.color);
  pen.glow(null);
  pen.polygon([...upper, ...lower.toReversed()], mix(G.background, p.color, mouth.share));
  if (p.mouth_open > tongue.above) pen.ellipse(0, lip(0) + tongue.y * p.mouth_open, tongue.rx, tongue.ry * p.mouth_open, tongue.color);
  pen.glow(p.color);
  if (p.mouth_open > lips.above) pen.polyline(lower, lips.width, p.color);
  pen.polyline(upper, lips.width, p.color);
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
  context.fillStyle = G.background;
  context.fillRect(0, 0, width, height);
  const { cheek } = G;
  const blush = mix(G.background, cheek.color, cheek.share * p.blush);
  for (const side of [-1, 1]) pen.ellipse(cheek.x * side, cheek.y, cheek.rx, cheek.ry, blush);
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
