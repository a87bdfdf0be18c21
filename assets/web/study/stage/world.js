/**
 * What the clips are played in: bodies from the task's scene, its furniture, the person and the floor. One world serves all
 * views: before a view is drawn, its own body is shown and the others hidden. The colours do not follow the page's theme, and
 * materials and shadows are the cheap ones everywhere: every participant sees the same picture.
 */

import * as THREE from "../../vendor/three/three.module.min.js";
import { buildGround, buildPerson, disposeDog } from "../../bodies.js";
import { NEUTRAL_FACE, drawFace } from "../../face.js";
import { FLOATS_PER_LINK } from "./clips.js";
import { cornersOf, fitCamera } from "./framing.js";
import { buildFurniture, buildRobot, trailOf } from "./props.js";

const COLORS = { horizon: "#efe6da", ground: "#e9ddcc", fine: "#e0d1bc", coarse: "#cfbfa6", shadow: "#c3b299", bounce: "#d9c3a5" };
/** Direction of the light that the flat shadows follow. */
const SUN = new THREE.Vector3(0.35, -0.5, 1.4);
const SHADOW_HEIGHT_M = 0.004;
/** Where the camera stands relative to what it looks at, when the scene does not say so. */
const VIEW_FROM = {
  dog: new THREE.Vector3(0.62, -1, 0.48),
  arm: new THREE.Vector3(1, -0.75, 0.55),
  grid: new THREE.Vector3(0.05, -0.55, 1),
};
/** Vertical, degrees. From far off with a long lens, so that a dog that comes by a little nearer does not look larger. */
const FIELD_OF_VIEW = { dog: 15, arm: 34, grid: 34 };
/** Links are points to the framing: this much is left around them, m. */
const MARGIN_M = { dog: 0.06, arm: 0.12, grid: 0.35 };
const TRAIL_POINTS = 128;
const TRAIL_HALF_M = 0.045;
/** A little from the front, so that the dog's face is seen, and from above. */
const ASLANT_RAD = 0.15;
const RISE = 0.27;
/** As much of the person as a view must hold, m: where they stand. */
const PERSON_M = { radius: 0.05, height: 0.5 };
/** Robots that do not stay where they are. */
const TRAVELS = ["dog", "grid"];

/** Flattens what stands in the world onto the floor, along the light. */
function flattening() {
  const matrix = new THREE.Matrix4();
  matrix.set(1, 0, -SUN.x / SUN.z, 0, 0, 1, -SUN.y / SUN.z, 0, 0, 0, 0, SHADOW_HEIGHT_M, 0, 0, 0, 1);
  return matrix;
}

/** From where to see a robot come up to a person: from its front and side, the person on the left. */
function meeting(person, robot) {
  const away = robot.clone().sub(person).setZ(0).normalize();
  const side = new THREE.Vector3(away.y, -away.x, 0);
  return side.multiplyScalar(Math.cos(ASLANT_RAD)).addScaledVector(away, -Math.sin(ASLANT_RAD)).setZ(RISE);
}

/** A board stands in for the floor. */
const hasFloor = ({ ground, grid }) => ground !== false && !grid;

/** One robot with its flat shadow, and the path it has gone. */
class Body {
  /** @type {THREE.Group[]|null} */
  shadows = null;
  /** @type {THREE.Material|null} */
  dark = null;
  /** @type {THREE.Mesh<THREE.BufferGeometry, THREE.Material>|null} */
  trail = null;
  trailLink = 0;

  constructor(scene, description) {
    this.robot = buildRobot(description);
    if (this.robot.screen) {
      const { image } = this.robot.screen;
      drawFace(image.getContext("2d"), image.width, image.height, NEUTRAL_FACE);
      this.robot.screen.needsUpdate = true;
    }
    this.root = new THREE.Group();
    this.root.add(this.robot.root);
    if (hasFloor(description)) this.#addShadow();
    const trail = trailOf(description);
    if (trail) this.#addTrail(trail);
    scene.add(this.root);
  }

  #addShadow() {
    const dark = new THREE.MeshBasicMaterial({ color: COLORS.shadow, side: THREE.DoubleSide });
    const flat = new THREE.Group();
    flat.matrixAutoUpdate = false;
    flat.matrix.copy(flattening());
    this.shadows = this.robot.links.map((link) => {
      const copy = new THREE.Group();
      for (const mesh of /** @type {THREE.Mesh[]} */ (link.children)) {
        const twin = new THREE.Mesh(mesh.geometry, dark);
        twin.position.copy(mesh.position);
        twin.quaternion.copy(mesh.quaternion);
        twin.frustumCulled = false; // what is flattened has no volume to be judged by
        copy.add(twin);
      }
      flat.add(copy);
      return copy;
    });
    this.dark = dark;
    this.root.add(flat);
  }

  /** A flat band: lines are a pixel wide, whatever the screen. */
  #addTrail({ link, color }) {
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(6 * TRAIL_POINTS), 3));
    const quads = Array.from({ length: TRAIL_POINTS - 1 }, (_, i) => [0, 1, 2, 2, 1, 3].map((corner) => 2 * i + corner));
    geometry.setIndex(quads.flat());
    this.trail = new THREE.Mesh(geometry, new THREE.MeshBasicMaterial({ color, side: THREE.DoubleSide, transparent: true, opacity: 0.55 }));
    this.trail.frustumCulled = false;
    this.trailLink = link;
    this.root.add(this.trail);
  }

  /** @param {import("./clips.js").Clip} clip @param {number} time  s */
  pose(clip, time) {
    const at = Math.min(time * clip.fps, clip.frames - 1);
    const frame = Math.floor(at);
    const next = Math.min(frame + 1, clip.frames - 1);
    const stride = clip.links * FLOATS_PER_LINK;
    const [end, turn] = [new THREE.Vector3(), new THREE.Quaternion()];
    this.robot.links.forEach((link, i) => {
      if (i >= clip.links) return;
      const [from, to] = [frame * stride + i * FLOATS_PER_LINK, next * stride + i * FLOATS_PER_LINK];
      link.position.fromArray(clip.poses, from).lerp(end.fromArray(clip.poses, to), at - frame);
      link.quaternion.fromArray(clip.poses, from + 3).slerp(turn.fromArray(clip.poses, to + 3), at - frame);
      this.shadows?.[i].position.copy(link.position);
      this.shadows?.[i].quaternion.copy(link.quaternion);
    });
    if (this.trail) this.#drawTrail(this.trail.geometry, clip, at);
  }

  #drawTrail(geometry, clip, at) {
    const positions = geometry.getAttribute("position");
    const stride = clip.links * FLOATS_PER_LINK;
    const place = (frame) => {
      const start = Math.round(frame) * stride + this.trailLink * FLOATS_PER_LINK;
      return [clip.poses[start], clip.poses[start + 1], clip.poses[start + 2]];
    };
    const last = Math.floor(at);
    const points = Math.min(TRAIL_POINTS, last + 1);
    for (let i = 0; i < points; i++) {
      const frame = points > 1 ? (i / (points - 1)) * last : 0;
      const [x, y, z] = place(frame);
      const [[fromX, fromY], [toX, toY]] = [place(Math.max(0, frame - 1)), place(Math.min(last, frame + 1))];
      const length = Math.hypot(toX - fromX, toY - fromY) || 1;
      const [sideX, sideY] = [(-(toY - fromY) / length) * TRAIL_HALF_M, ((toX - fromX) / length) * TRAIL_HALF_M];
      positions.setXYZ(2 * i, x + sideX, y + sideY, z);
      positions.setXYZ(2 * i + 1, x - sideX, y - sideY, z);
    }
    positions.needsUpdate = true;
    geometry.setDrawRange(0, 6 * (points - 1));
  }

  dispose() {
    disposeDog(this.robot);
    this.dark?.dispose();
    this.trail?.geometry.dispose();
    this.trail?.material.dispose();
    this.root.removeFromParent();
  }
}

export class World {
  /** What stands still. @type {ReturnType<typeof buildFurniture>} */
  fixed;

  /** @param {Object} description  the task's scene, see docs of the study server */
  constructor(description) {
    this.description = description;
    this.kind = description.kind;
    this.scene = new THREE.Scene();
    this.scene.background = new THREE.Color(COLORS.horizon);
    this.camera = new THREE.PerspectiveCamera(FIELD_OF_VIEW.arm, 1, 0.05, 80);
    this.camera.up.set(0, 0, 1);
    /** @type {Body[]} */
    this.bodies = [];
    this.#furnish();
  }

  #furnish() {
    const { person } = this.description;
    const sun = new THREE.DirectionalLight("#fff4e4", 2.2);
    sun.position.copy(SUN);
    this.scene.add(new THREE.HemisphereLight("#ffffff", COLORS.bounce, 1.9), sun);
    if (hasFloor(this.description)) {
      const floor = buildGround();
      floor.shade.visible = false;
      floor.paint({ ...COLORS, shade: 0 });
      this.scene.fog = new THREE.Fog(COLORS.horizon, 8, 22);
      this.scene.add(floor.root);
    }
    this.fixed = buildFurniture(this.description);
    this.scene.add(this.fixed.root);
    if (person) this.#seatPerson(person);
  }

  #seatPerson({ position: [x, y], yaw_rad: yaw = Math.atan2(-y, -x) }) {
    const { root, figure, materials, ring, wave } = buildPerson();
    root.position.set(x, y, 0);
    figure.rotation.z = yaw;
    ring.visible = wave.visible = false;
    for (const material of materials) material.transparent = false;
    this.scene.add(root);
  }

  /**
   * One camera for all views, so that what differs is the robot. Where robots stand, a scene's camera is obeyed; where they
   * travel, or no field of view is given, it says at most from where to look, and what the clips need fills the view.
   * @param {import("./clips.js").Clip[]} clips
   */
  frame(clips) {
    const { camera, person } = this.description;
    this.points = null;
    if (camera?.fov_deg && !TRAVELS.includes(this.kind)) return;
    const box = new THREE.Box3();
    const point = new THREE.Vector3();
    for (const { poses } of clips) {
      for (let i = 0; i < poses.length; i += FLOATS_PER_LINK) box.expandByPoint(point.fromArray(poses, i));
    }
    box.expandByScalar(MARGIN_M[this.kind] ?? 0.2);
    this.points = cornersOf(box);
    if (this.fixed.root.children[0].children.length) this.points.push(...cornersOf(new THREE.Box3().setFromObject(this.fixed.root)));
    this.from = VIEW_FROM[this.kind] ?? VIEW_FROM.dog;
    if (!person) return;
    const [x, y] = person.position;
    this.from = meeting(new THREE.Vector3(x, y, 0), box.getCenter(new THREE.Vector3()));
    this.points.push(...cornersOf({ min: { x: x - PERSON_M.radius, y: y - PERSON_M.radius, z: 0 },
      max: { x: x + PERSON_M.radius, y: y + PERSON_M.radius, z: PERSON_M.height } }));
  }

  /** @param {number} aspect  width over height of a view */
  aim(aspect) {
    const { camera } = this.description;
    const degrees = this.points ? FIELD_OF_VIEW[this.kind] ?? FIELD_OF_VIEW.arm : camera.fov_deg;
    const tangent = Math.tan((degrees / 2) * Math.PI / 180);
    // A view narrower than 4:3 opens further, so that what fitted sideways still does.
    const opened = this.points ? tangent : tangent * Math.max(1, (4 / 3) / aspect);
    let [position, target] = [camera?.eye, camera?.target].map((place) => new THREE.Vector3(...(place ?? [])));
    if (this.points) {
      const direction = camera?.eye && this.kind !== "dog" ? position.sub(target) : this.from;
      ({ position, target } = fitCamera(this.points, direction, tangent, aspect));
    }
    this.camera.position.copy(position);
    this.camera.lookAt(target);
    this.camera.fov = 2 * Math.atan(opened) * 180 / Math.PI;
    this.camera.aspect = aspect;
    this.camera.updateProjectionMatrix();
  }

  /** Show the robot of one view at its place in time, and no other. */
  show(view, clip, time) {
    while (this.bodies.length <= view) this.bodies.push(new Body(this.scene, this.description));
    this.bodies.forEach((body, i) => { body.root.visible = i === view; });
    this.bodies[view].pose(clip, time);
  }

  dispose() {
    for (const body of this.bodies) body.dispose();
    disposeDog(this.fixed);
  }
}
