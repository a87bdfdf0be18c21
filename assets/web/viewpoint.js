/**
 * Where the camera stands: beside dog and person so that both are in the picture, in the place of either, or above.
 * The camera never enters the person, and the person never fills the picture.
 *
 * @typedef {"beside"|"person"|"dog"|"above"} View
 * @typedef {Object} Stage  what there is to look at, in the world
 * @property {THREE.Vector3} trunk  of the dog
 * @property {THREE.Object3D|null} head  of the dog; x forward, z up
 * @property {THREE.Vector3} person  on the ground
 */

import * as THREE from "./vendor/three/three.module.min.js";

/** From the line between dog and person to where the camera stands, and how high above what it looks at, rad. */
const BESIDE_RAD = 1.2;
const RISE_RAD = 0.28;
/** Nearest and farthest that the camera goes by itself, m. */
const NEAREST_M = 2.0;
const FARTHEST_M = 8;
/** It looks so far along the line from the dog to the person, at this height, m; persons farther than that go out of the picture. */
const ALONG = 0.42;
const LOOK_HEIGHT_M = 0.62;
const MOST_APART_M = 6;
/** What must stay in the picture: so much around the dog and the person, and up to the top of either, m; with a rim. */
const AROUND_M = 0.36;
const DOG_M = 0.5;
const PERSON_M = 1.72;
const RIM = 0.92;
/** The camera keeps this away from the person, m. */
const CLEAR_M = 0.8;
const EYES_M = 1.6;
const TARGET_EASING_S = 0.15;
const TURN_EASING_S = 0.9;

/** The shortest way from one angle to another, rad. */
const turnTo = (from, to) => Math.atan2(Math.sin(to - from), Math.cos(to - from));
/** Share of the way that is gone in a frame. */
const eased = (seconds, easing) => 1 - Math.exp(-seconds / easing);

export class Viewpoint {
  /** @type {View} */
  view = "beside";
  /** Whether somebody has turned or moved the camera: it follows then, and keeps its side. */
  byHand = false;
  #jump = true;

  /** @param {THREE.PerspectiveCamera} camera @param {import("./vendor/three/OrbitControls.js").OrbitControls} controls */
  constructor(camera, controls) {
    this.camera = camera;
    this.controls = controls;
    controls.addEventListener("start", () => { this.byHand = true; });
  }

  /** @param {View} view */
  choose(view) {
    this.view = view;
    this.byHand = false;
    this.controls.enabled = view === "beside";
    this.jump();
  }

  /** The next frame is where the camera belongs, without a way there. */
  jump() {
    this.#jump = true;
  }

  /** @param {number} seconds  since the last frame @param {Stage} stage */
  step(seconds, stage) {
    this.camera.up.set(0, 0, 1);
    if (this.view === "beside") this.#beside(seconds, stage);
    else if (this.view === "above") this.#above(stage);
    else if (this.view === "dog" && stage.head) this.#asDog(stage.head);
    else this.#asPerson(stage);
    this.#jump = false;
  }

  #beside(seconds, { trunk, person }) {
    const { camera, controls } = this;
    const line = person.clone().sub(trunk).setZ(0).clampLength(0, MOST_APART_M);
    const goal = line.clone().multiplyScalar(ALONG).add(trunk).setZ(LOOK_HEIGHT_M);
    const moved = goal.sub(controls.target);
    if (!this.#jump) moved.multiplyScalar(moved.length() > 2 ? 1 : eased(seconds, TARGET_EASING_S));
    controls.target.add(moved);
    camera.position.add(moved);
    if (!this.byHand) this.#turn(seconds, line, trunk, person);
    controls.update();
    if (this.#keepClear(person)) camera.lookAt(controls.target);
  }

  /** Turn to the side of the line, as near as both are in the picture. */
  #turn(seconds, line, trunk, person) {
    const { camera, controls } = this;
    const offset = camera.position.clone().sub(controls.target);
    const now = Math.atan2(offset.y, offset.x);
    const along = Math.atan2(line.y, line.x);
    const sides = [along + BESIDE_RAD, along - BESIDE_RAD];
    const [left, right] = sides.map((side) => turnTo(now, side));
    const turn = Math.abs(left) < Math.abs(right) ? left : right;
    const weight = this.#jump ? 1 : eased(seconds, TURN_EASING_S);
    const angle = now + weight * turn;
    const away = this.#distance(angle, [[trunk, DOG_M], [person, PERSON_M]]);
    const distance = offset.length() + weight * (away - offset.length());
    const level = distance * Math.cos(RISE_RAD);
    camera.position.set(level * Math.cos(angle), level * Math.sin(angle), distance * Math.sin(RISE_RAD)).add(controls.target);
  }

  /**
   * How far the camera must be from what it looks at, seen from an angle, so that all is in the picture.
   * @param {number} angle @param {[THREE.Vector3, number][]} things  places, and how high they reach, m
   */
  #distance(angle, things) {
    const { camera, controls } = this;
    const up = RIM * Math.tan(camera.fov * Math.PI / 360);
    const across = up * camera.aspect;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const needed = things.flatMap(([place, top]) => {
      const [x, y] = [place.x - controls.target.x, place.y - controls.target.y];
      const [nearer, aside] = [x * cos + y * sin, Math.abs(y * cos - x * sin)];
      return [0, top].map((z) => {
        const rise = z - controls.target.z;
        const high = Math.abs(rise * Math.cos(RISE_RAD) - nearer * Math.sin(RISE_RAD));
        const depth = nearer * Math.cos(RISE_RAD) + rise * Math.sin(RISE_RAD);
        return depth + Math.max((aside + AROUND_M) / across, high / up);
      });
    });
    return Math.min(FARTHEST_M, Math.max(NEAREST_M, ...needed));
  }

  /** Step back where the person stands; returns whether that was needed. */
  #keepClear(person) {
    const { position } = this.camera;
    const gap = Math.hypot(position.x - person.x, position.y - person.y);
    if (gap >= CLEAR_M || position.z > 2.2) return false;
    const out = gap > 1e-6 ? position.clone().sub(person) : position.clone().sub(this.controls.target);
    out.setZ(0).setLength(CLEAR_M);
    position.set(person.x + out.x, person.y + out.y, position.z);
    return true;
  }

  #above({ trunk, person }) {
    const line = person.clone().sub(trunk).setZ(0).clampLength(0, MOST_APART_M);
    const middle = line.clone().multiplyScalar(0.5).add(trunk).setZ(0);
    const half = 0.5 * line.length() + 2 * AROUND_M;
    const up = RIM * Math.tan(this.camera.fov * Math.PI / 360);
    const high = half / Math.min(up, up * this.camera.aspect);
    // North is up: what is straight below has no other up.
    this.camera.up.set(0, 1, 0);
    this.camera.position.copy(middle).setZ(Math.max(high, 2.4));
    this.camera.lookAt(middle);
  }

  #asPerson({ trunk, person }) {
    const ahead = trunk.clone().sub(person).setZ(0).setLength(0.2);
    this.camera.position.copy(person).add(ahead).setZ(EYES_M);
    this.camera.lookAt(trunk);
  }

  /** @param {THREE.Object3D} head */
  #asDog(head) {
    const forward = new THREE.Vector3(1, 0, 0).applyQuaternion(head.quaternion);
    this.camera.up.set(0, 0, 1).applyQuaternion(head.quaternion);
    this.camera.position.copy(head.position).addScaledVector(forward, 0.16);
    this.camera.lookAt(forward.add(this.camera.position));
  }
}
