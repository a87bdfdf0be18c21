// A small viewer of point clouds and boxes on a canvas: drag to turn, wheel to come nearer. No library.
/** @returns {any} the page is made around this script, and has what is asked for */
const byId = (id) => document.getElementById(id);
const scene = JSON.parse(byId("scene").textContent ?? "");
const canvas = byId("view");
const pen = canvas.getContext("2d");
const hidden = new Set(scene.layers.filter((layer) => layer.hidden).map((layer) => layer.name));
let azimuth = scene.azimuth, elevation = 0.5, zoom = 1.2;

function project([x, y, z]) {
  const [cx, cy, cz] = scene.middle;
  const u = x - cx, v = y - cy, w = z - cz;
  const right = Math.cos(azimuth) * v - Math.sin(azimuth) * u;
  const away = Math.cos(azimuth) * u + Math.sin(azimuth) * v;
  const up = Math.cos(elevation) * w - Math.sin(elevation) * away;
  const depth = Math.cos(elevation) * away + Math.sin(elevation) * w;
  const scale = (zoom * canvas.height) / scene.size / (1 - (0.3 * depth) / scene.size);
  return [canvas.width / 2 + scale * right, 0.62 * canvas.height - scale * up, depth];
}

function draw() {
  pen.fillStyle = "#fffdf8";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  for (const layer of scene.layers) {
    if (hidden.has(layer.name)) continue;
    pen.fillStyle = pen.strokeStyle = layer.color;
    for (const point of layer.points ?? []) {
      const [x, y] = project(point);
      pen.fillRect(x - 1, y - 1, 2, 2);
    }
    pen.lineWidth = layer.width ?? 1;
    for (const line of layer.lines ?? []) {
      pen.beginPath();
      line.forEach((point, index) => {
        const [x, y] = project(point);
        if (index) pen.lineTo(x, y);
        else pen.moveTo(x, y);
      });
      pen.stroke();
    }
  }
}

const list = byId("layers");
for (const layer of scene.layers) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = !hidden.has(layer.name);
  box.onchange = () => {
    if (box.checked) hidden.delete(layer.name);
    else hidden.add(layer.name);
    draw();
  };
  const mark = document.createElement("span");
  mark.style.background = layer.color;
  label.append(box, mark, layer.name);
  list.append(label);
}
canvas.onpointerdown = (event) => canvas.setPointerCapture(event.pointerId);
canvas.onpointermove = (event) => {
  if (!event.buttons) return;
  azimuth -= event.movementX * 0.01;
  elevation = Math.max(-0.2, Math.min(1.55, elevation + event.movementY * 0.01));
  draw();
};
canvas.onwheel = (event) => {
  event.preventDefault();
  zoom *= Math.exp(-event.deltaY * 0.001);
  draw();
};
draw();
