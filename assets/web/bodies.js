/**
 * Meshes of the scene: the dog's links from the server's description, the person, the ground and the sky.
 * Everything is in the world frame of the simulation: z up, x forward, metres.
 */

import * as THREE from "./vendor/three/three.module.min.js";
import { RoundedBoxGeometry } from "./vendor/three/RoundedBoxGeometry.js";

/** Roughness and metalness of the materials named in the description. */
const MATERIALS = {
  shell: { roughness: 0.45, metalness: 0.05 },
  dark: { roughness: 0.6, metalness: 0.1 },
  metal: { roughness: 0.35, metalness: 0.6 },
  rubber: { roughness: 0.95, metalness: 0 },
  screen: { roughness: 0.25, metalness: 0.1 },
  ear: { roughness: 0.7, metalness: 0 },
  tail: { roughness: 0.7, metalness: 0 },
};
const GRID_M = 12;
const GRID_PIECE_M = 1;
const GRID_CELL_M = 0.5;
/** Half the floor's width: the fog has closed by then. */
const GROUND_M = 20;
/** Side of the patch around the dog that shows its shadow. */
const SHADE_M = 2.2;

/** @param {import("./messages.js").Shape} shape */
function geometryOf({ kind, size }) {
  switch (kind) {
    case "box": {
      const radius = Math.min(0.3 * Math.min(...size), 0.03);
      return new RoundedBoxGeometry(size[0], size[1], size[2], 3, radius);
    }
    case "sphere":
      return new THREE.SphereGeometry(size[0], 20, 14);
    case "capsule": // three.js lays capsules and cylinders along y, the description along z.
      return new THREE.CapsuleGeometry(size[0], size[1], 6, 16).rotateX(Math.PI / 2);
    case "cylinder":
      return new THREE.CylinderGeometry(size[0], size[0], size[1], 24).rotateX(Math.PI / 2);
    default:
      throw new Error(`Shape kind "${kind}" is unknown; expected box, sphere, capsule or cylinder.`);
  }
}

/** What no primitive shape shows. @param {import("./messages.js").Skin} skin */
function skinOf({ vertices, triangles }, material) {
  const indexed = new THREE.BufferGeometry();
  indexed.setAttribute("position", new THREE.Float32BufferAttribute(vertices, 3));
  indexed.setIndex(triangles);
  const geometry = indexed.toNonIndexed(); // edges stay sharp
  geometry.computeVertexNormals();
  indexed.dispose();
  const mesh = new THREE.Mesh(geometry, material);
  mesh.castShadow = true;
  return mesh;
}

/** A plane that carries the face, just in front of the screen's +x side. */
function facePlane(shape, texture) {
  const [depth, width, height] = shape.size;
  const plane = new THREE.Mesh(
    new THREE.PlaneGeometry(width * 0.94, height * 0.92),
    new THREE.MeshBasicMaterial({ map: texture, toneMapped: false, transparent: true }),
  );
  // Seen from the front: right is the link's +y, up its +z.
  plane.quaternion.setFromRotationMatrix(new THREE.Matrix4().makeBasis(
    new THREE.Vector3(0, 1, 0), new THREE.Vector3(0, 0, 1), new THREE.Vector3(1, 0, 0)));
  plane.position.x = depth / 2 + 0.0008;
  return plane;
}

/** Canvas and texture of the dog's screen, in the proportions of its box. @param {{size: number[]}} shape */
function screenTexture({ size: [, width, height] }) {
  const canvas = document.createElement("canvas");
  canvas.height = 192;
  canvas.width = Math.round(192 * (width * 0.94) / (height * 0.92));
  const texture = new THREE.CanvasTexture(canvas);
  texture.colorSpace = THREE.SRGBColorSpace;
  return texture;
}

/**
 * The dog, one group per link.
 * @param {{links: import("./messages.js").Link[]}} description
 * @param {boolean} simple  cheaper materials, for software rendering
 * @returns {{root: THREE.Group, links: THREE.Group[], screen: THREE.CanvasTexture|null}}
 */
export function buildDog(description, simple) {
  const root = new THREE.Group();
  const materials = new Map();
  /** @type {THREE.CanvasTexture|null} */
  let screen = null;
  const materialOf = ({ material, color }) => {
    const key = `${material} ${color}`;
    if (!materials.has(key)) {
      materials.set(key, simple ? new THREE.MeshLambertMaterial({ color })
        : new THREE.MeshStandardMaterial({ color, ...(MATERIALS[material] ?? MATERIALS.shell) }));
    }
    return materials.get(key);
  };
  const links = description.links.map((link) => {
    const group = new THREE.Group();
    group.name = link.name;
    for (const shape of link.shapes) {
      const mesh = new THREE.Mesh(geometryOf(shape), materialOf(shape));
      mesh.castShadow = true;
      mesh.receiveShadow = !simple;
      mesh.position.fromArray(shape.position);
      mesh.quaternion.fromArray(shape.quat_xyzw);
      if (shape.material === "screen" && shape.kind === "box") {
        screen ??= screenTexture(shape);
        mesh.add(facePlane(shape, screen));
      }
      group.add(mesh);
    }
    if (link.skin) group.add(skinOf(link.skin, materialOf({ material: "shell", color: link.skin.color })));
    root.add(group);
    return group;
  });
  return { root, links, screen };
}

/** Free what `buildDog` made. */
export function disposeDog({ root, screen }) {
  root.traverse((object) => {
    object.geometry?.dispose();
    object.material?.dispose();
  });
  screen?.dispose();
}

function part(geometry, material, x, y, z) {
  const mesh = new THREE.Mesh(geometry, material);
  mesh.position.set(x, y, z);
  return mesh;
}

/** A capsule between two points, standing in for a limb. */
function limb(from, to, radius, material) {
  const [a, b] = [new THREE.Vector3(...from), new THREE.Vector3(...to)];
  const mesh = part(new THREE.CapsuleGeometry(radius, a.distanceTo(b), 4, 12), material, 0, 0, 0);
  mesh.position.addVectors(a, b).multiplyScalar(0.5);
  mesh.quaternion.setFromUnitVectors(new THREE.Vector3(0, 1, 0), b.sub(a).normalize());
  return mesh;
}

/**
 * @typedef {THREE.Mesh<THREE.BufferGeometry, THREE.MeshBasicMaterial>} Flat  lies on the floor
 *
 * A stylised standing person of 1.7 m looking along +x, and a ring on the floor that takes the emotion's colour.
 * @returns {{root: THREE.Group, figure: THREE.Group, ring: Flat, wave: Flat, materials: THREE.Material[]}}
 */
export function buildPerson() {
  const cloth = new THREE.MeshLambertMaterial({ color: "#7d93a8" });
  const trousers = new THREE.MeshLambertMaterial({ color: "#566678" });
  const skin = new THREE.MeshLambertMaterial({ color: "#e3bfa2" });
  const figure = new THREE.Group();
  for (const side of [-1, 1]) {
    figure.add(limb([0, 0.1 * side, 0.1], [0, 0.09 * side, 0.8], 0.075, trousers));
    figure.add(limb([0.05, 0.1 * side, 0.04], [0.13, 0.11 * side, 0.04], 0.045, trousers));
    figure.add(limb([0, 0.21 * side, 1.31], [0.03, 0.27 * side, 0.82], 0.048, cloth));
    figure.add(part(new THREE.SphereGeometry(0.052, 14, 10), skin, 0.035, 0.272 * side, 0.74));
  }
  const torso = limb([0, 0, 0.88], [0, 0, 1.22], 0.17, cloth);
  torso.scale.set(1, 1, 0.72);
  figure.add(torso);
  figure.add(limb([0, 0, 1.38], [0, 0, 1.46], 0.055, skin));
  figure.add(part(new THREE.SphereGeometry(0.125, 22, 16), skin, 0, 0, 1.6));
  const flat = (color, opacity) => new THREE.MeshBasicMaterial({ color, transparent: true, opacity, depthWrite: false });
  const ring = new THREE.Mesh(new THREE.RingGeometry(0.36, 0.4, 48), flat("#8a8f98", 0.75));
  ring.position.z = 0.006;
  const wave = new THREE.Mesh(new THREE.RingGeometry(0.385, 0.4, 48), flat("#8a8f98", 0));
  wave.position.z = 0.005;
  const blob = new THREE.Mesh(new THREE.CircleGeometry(0.3, 32), flat("#2a1a0c", 0.16));
  blob.position.z = 0.004;
  const root = new THREE.Group();
  root.add(blob, figure, ring, wave);
  const materials = [cloth, trousers, skin];
  for (const material of materials) material.transparent = true;
  return { root, figure, ring, wave, materials };
}

/**
 * Lines in both directions, every `step` metres but on the multiples of `except`. They are cut into short pieces: software
 * WebGL drops a long line as soon as one end lies behind the camera.
 */
function gridLines(step, except) {
  const points = [];
  for (let i = -GRID_M; i <= GRID_M; i += step) {
    if (except && Number.isInteger(i / except)) continue;
    for (let j = -GRID_M; j < GRID_M; j += GRID_PIECE_M) {
      points.push(j, i, 0, j + GRID_PIECE_M, i, 0, i, j, 0, i, j + GRID_PIECE_M, 0);
    }
  }
  const geometry = new THREE.BufferGeometry().setAttribute("position", new THREE.Float32BufferAttribute(points, 3));
  return new THREE.LineSegments(geometry, new THREE.LineBasicMaterial());
}

/**
 * A wide floor with a grid. Plain colour, lines, and one small patch that takes the dog's shadow: where the processor
 * draws, a lit and textured floor would cost as much as all the rest. Nothing ever lies behind the floor, so it is
 * drawn first and leaves no depth. `centre(x, y)` moves it along in whole cells, so that it never ends.
 */
export function buildGround() {
  const floor = new THREE.Mesh(new THREE.PlaneGeometry(2 * GROUND_M, 2 * GROUND_M), new THREE.MeshBasicMaterial());
  const fine = gridLines(GRID_CELL_M, 2 * GRID_CELL_M);
  const coarse = gridLines(2 * GRID_CELL_M, 0);
  const shade = new THREE.Mesh(new THREE.PlaneGeometry(SHADE_M, SHADE_M), new THREE.ShadowMaterial({ fog: false }));
  shade.receiveShadow = true;
  const root = new THREE.Group();
  [floor, fine, coarse, shade].forEach((object, i) => {
    object.renderOrder = i - 10;
    object.material.depthWrite = false;
    root.add(object);
  });
  const step = 2 * GRID_CELL_M;
  const centre = (x, y) => {
    root.position.set(Math.round(x / step) * step, Math.round(y / step) * step, 0);
    shade.position.set(x - root.position.x, y - root.position.y, 0);
  };
  const paint = (theme) => {
    floor.material.color.set(theme.ground);
    fine.material.color.set(theme.fine);
    coarse.material.color.set(theme.coarse);
    shade.material.opacity = theme.shade;
  };
  return { root, shade, centre, paint };
}

/** A dome whose colour goes from the horizon to the zenith. */
export function buildSky() {
  const geometry = new THREE.SphereGeometry(40, 24, 12).rotateX(Math.PI / 2);
  const material = new THREE.MeshBasicMaterial({
    vertexColors: true, side: THREE.BackSide, fog: false, depthWrite: false, toneMapped: false,
  });
  const mesh = new THREE.Mesh(geometry, material);
  mesh.renderOrder = -1;
  const paint = (horizon, zenith) => {
    const [low, high] = [new THREE.Color(horizon), new THREE.Color(zenith)];
    const positions = geometry.getAttribute("position");
    const colors = new Float32Array(positions.count * 3);
    for (let i = 0; i < positions.count; i++) {
      const height = Math.max(0, positions.getZ(i) / 40);
      low.clone().lerp(high, Math.min(1, height * 1.6)).toArray(colors, 3 * i);
    }
    geometry.setAttribute("color", new THREE.BufferAttribute(colors, 3));
  };
  return { mesh, paint };
}
