/** Bodies and furniture that are not links of the dog: the arrow that glides over a board of cells, and what stands there. */

import * as THREE from "../../vendor/three/three.module.min.js";
import { buildDog } from "../../bodies.js";

const BOARD = { light: "#f7f1e7", dark: "#e7dccb", rim: "#b9a68c", depth_m: 0.12, gap_m: 0.04 };
const LAPTOP = { body: "#6c7684", screen: "#2a3340", glow: "#7fb9e0" };
const OBSTACLE = "#b5533c";
const ARROW_COLOR = "#2f6f9c";
const TRAIL_COLOR = "#2f6f9c";

const box = (size, position, color, quat_xyzw = [0, 0, 0, 1]) => ({
  kind: "box", size, position, quat_xyzw, color, material: "shell",
});

/** A flat arrow along +x. `size_m` is length, width and height. */
function arrow({ size_m: [length, width, height], rgba }) {
  const outline = new THREE.Shape();
  const [half, side, shaft] = [length / 2, width / 2, width / 5];
  outline.moveTo(half, 0);
  for (const [x, y] of [[0, side], [0, shaft], [-half, shaft], [-half, -shaft], [0, -shaft], [0, -side]]) outline.lineTo(x, y);
  outline.closePath();
  const geometry = new THREE.ExtrudeGeometry(outline, { depth: height * 0.6, bevelSize: 0.03, bevelThickness: 0.04, bevelSegments: 2 });
  geometry.translate(0, 0, -height / 2);
  const color = rgba ? new THREE.Color().setRGB(rgba[0], rgba[1], rgba[2], THREE.SRGBColorSpace) : ARROW_COLOR;
  const group = new THREE.Group();
  group.add(new THREE.Mesh(geometry, new THREE.MeshLambertMaterial({ color })));
  return group;
}

/**
 * The robot of a scene, one group per link.
 * @returns {{root: THREE.Group, links: THREE.Group[], screen: THREE.CanvasTexture|null}}
 */
export function buildRobot({ links }) {
  if (!links.some((link) => link.shape)) return buildDog({ links }, true);
  const groups = links.map((link) => {
    if (link.shape !== "arrow") throw new Error(`Link shape "${link.shape}" is unknown; expected arrow, or "shapes".`);
    return arrow(link);
  });
  const root = new THREE.Group();
  root.add(...groups);
  return { root, links: groups, screen: null };
}

/** A board of cells with its laptop and obstacles, as shapes. */
function boardShapes({ grid: { side, cell_m: cell }, laptop, obstacles = [] }) {
  const { depth_m: depth, gap_m: gap } = BOARD;
  const middle = ((side - 1) / 2) * cell;
  const shapes = [box([side * cell + 0.3, side * cell + 0.3, depth], [middle, middle, -depth], BOARD.rim)];
  for (let x = 0; x < side; x++) {
    for (let y = 0; y < side; y++) {
      const color = (x + y) % 2 ? BOARD.light : BOARD.dark;
      shapes.push(box([cell - gap, cell - gap, depth], [x * cell, y * cell, -depth / 2], color));
    }
  }
  if (laptop) {
    const [x, y] = laptop.map((value) => value * cell);
    const lean = [Math.sin(0.22), 0, 0, Math.cos(0.22)];
    shapes.push(box([0.62, 0.44, 0.05], [x, y - 0.06, 0.03], LAPTOP.body),
      box([0.62, 0.04, 0.44], [x, y + 0.26, 0.22], LAPTOP.body, [-lean[0], 0, 0, lean[3]].map((v) => v)),
      box([0.54, 0.02, 0.36], [x, y + 0.235, 0.22], LAPTOP.glow, [-lean[0], 0, 0, lean[3]]));
  }
  for (const [x, y] of obstacles) {
    shapes.push({ kind: "cylinder", size: [0.26, 0.5], position: [x * cell, y * cell, 0.25], quat_xyzw: [0, 0, 0, 1], color: OBSTACLE, material: "shell" });
  }
  return shapes;
}

/** What stands still. Furniture is a list of shapes, or of groups {name, shapes}. */
export function buildFurniture(description) {
  const given = (description.furniture ?? []).flatMap((entry) => entry.shapes ?? [entry]);
  const shapes = description.grid ? [...boardShapes(description), ...given] : given;
  return buildDog({ links: [{ name: "furniture", shapes, skin: null }] }, true);
}

/** The way that the robot has gone is drawn where the scene asks for it, and on the board. */
export function trailOf({ trail, grid }) {
  return trail ?? (grid ? { link: 0, color: TRAIL_COLOR } : null);
}
