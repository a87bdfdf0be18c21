/**
 * The 3D view: light and the frame loop. Poses come in as raw messages; the newest wins, and each frame eases the links
 * towards it.
 */

import * as THREE from "./vendor/three/three.module.min.js";
import { OrbitControls } from "./vendor/three/OrbitControls.js";
import { buildDog, buildGround, buildPerson, buildSky, disposeDog } from "./bodies.js";
import { QualityKeeper, isSoftwareRendered } from "./quality.js";
import { isDark, onThemeChange } from "./theme.js";
import { Viewpoint } from "./viewpoint.js";

const THEMES = {
  light: { horizon: "#f1e7da", zenith: "#dde6e8", ground: "#ecdfcd", fine: "#e2d3bd", coarse: "#d0bda2", shade: 0.3,
    sun: 2.4, fill: 1.9, bounce: "#d9c3a5" },
  dark: { horizon: "#2b2724", zenith: "#191b21", ground: "#38322d", fine: "#403934", coarse: "#51483f", shade: 0.5,
    sun: 2, fill: 1.2, bounce: "#5a4a3c" },
};
/** Where the camera stands before anything is there to be looked at, m. */
const VIEW_FROM = new THREE.Vector3(1.0, -1.75, 0.68);
const SUN_FROM = new THREE.Vector3(0.9, -1.3, 2.6);
/** Light and shadow follow the dog. */
const FOLLOW_EASING_S = 0.12;
/** Vertical, degrees; a view taller than wide opens further, so that the dog fits from nose to tail. */
const FIELD_OF_VIEW = 40;
/** On a narrow view the read-outs lie on top: the middle of the picture moves down by this share of its height. */
const NARROW_SHIFT = 0.09;
const POSE_EASING_S = 0.018;
/** A link that moved further than this was put there (reset): no easing, m. */
const JUMP_M = 0.5;
/** A person nearer than this to the line of sight to the dog is drawn as a ghost, m; what is left of them: */
const IN_THE_WAY_M = 0.55;
const GHOST_OPACITY = 0.14;

export class DogScene {
  sky = buildSky();
  ground = buildGround();
  person = buildPerson();
  hemisphere = new THREE.HemisphereLight("#ffffff", "#d9c3a5", 1.6);
  sun = new THREE.DirectionalLight("#fff1dc", 2.4);
  /** @type {ReturnType<typeof buildDog>|null} */
  dog = null;
  /** @type {THREE.Object3D|null} */
  head = null;
  /** Poses of the links as they came last. */
  target = new Float32Array(0);
  floatsPerLink = 0;
  headerBytes = 0;
  /** Whether `target` holds a pose, and whether it is the first of this dog. */
  posed = false;
  fresh = true;
  speaking = false;
  /** Whether a person is among the links, as in a room: the figure of the plain page is not shown then. */
  hasPerson = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./face.js").FaceAnimator} face  drawn onto the dog's screen
   * @param {() => void} onFrame  called for each frame drawn
   * @throws {Error} when WebGL is not available
   */
  constructor(canvas, face, onFrame) {
    this.canvas = canvas;
    this.face = face;
    this.onFrame = onFrame;
    this.software = isSoftwareRendered();
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: !this.software, powerPreference: "high-performance" });
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = this.software ? THREE.PCFShadowMap : THREE.PCFSoftShadowMap;
    this.quality = new QualityKeeper(this.renderer, this.software);
    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera(FIELD_OF_VIEW, 1, 0.05, 90);
    this.camera.up.set(0, 0, 1);
    this.camera.position.copy(VIEW_FROM);
    this.controls = new OrbitControls(this.camera, canvas);
    this.viewpoint = new Viewpoint(this.camera, this.controls);
    this.frame = /** @type {HTMLElement} */ (canvas.parentElement);
    this.follow = new THREE.Vector3(0, 0, 0.28);
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.#furnish();
    this.#makeControls();
    this.#followTheme();
    new ResizeObserver(() => this.#resize()).observe(this.frame);
    this.#resize();
    this.lastFrame = performance.now();
    this.renderer.setAnimationLoop(() => this.#frame(performance.now()));
  }

  #furnish() {
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.setScalar(this.software ? 512 : 1024);
    Object.assign(this.sun.shadow.camera, { left: -0.9, right: 0.9, top: 0.9, bottom: -0.9, near: 0.2, far: 5 });
    this.sun.shadow.radius = 4;
    this.sun.shadow.bias = -0.0004;
    this.sun.shadow.normalBias = 0.012;
    if (this.software) this.sky.mesh.visible = false;
    this.scene.add(this.sky.mesh, this.ground.root, this.person.root, this.hemisphere, this.sun, this.sun.target);
  }

  #makeControls() {
    Object.assign(this.controls, {
      enablePan: false, enableDamping: false, minDistance: 0.7, maxDistance: 9, maxPolarAngle: 1.53, rotateSpeed: 0.7,
    });
    this.canvas.addEventListener("keydown", (event) => this.#turnByKey(event));
  }

  /** Arrow keys turn the view, + and - move it nearer and away. */
  #turnByKey(event) {
    const turns = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.08], ArrowDown: [0, 0.08] };
    const zooms = { "+": 0.9, "=": 0.9, "-": 1.1 };
    const offset = this.camera.position.clone().sub(this.controls.target);
    if (turns[event.key]) {
      const [around, down] = turns[event.key];
      const spherical = new THREE.Spherical().setFromVector3(new THREE.Vector3(offset.x, offset.z, -offset.y));
      spherical.theta += around;
      spherical.phi = Math.min(1.53, Math.max(0.05, spherical.phi + down));
      const turned = new THREE.Vector3().setFromSpherical(spherical);
      offset.set(turned.x, -turned.z, turned.y);
    } else if (zooms[event.key]) {
      offset.setLength(Math.min(9, Math.max(0.7, offset.length() * zooms[event.key])));
    } else {
      return;
    }
    event.preventDefault();
    this.viewpoint.byHand = true;
    this.camera.position.copy(this.controls.target).add(offset);
  }

  #followTheme() {
    const apply = () => {
      const theme = THEMES[isDark() ? "dark" : "light"];
      this.sky.paint(theme.horizon, theme.zenith);
      this.scene.fog = new THREE.Fog(theme.horizon, 3.5, 15);
      this.scene.background = new THREE.Color(theme.horizon);
      this.ground.paint(theme);
      this.hemisphere.groundColor.set(theme.bounce);
      this.hemisphere.intensity = theme.fill;
      this.sun.intensity = theme.sun;
    };
    onThemeChange(apply);
    apply();
  }

  /** @param {import("./messages.js").SceneMessage} description */
  setDescription(description) {
    if (this.dog) {
      this.scene.remove(this.dog.root);
      if (this.dog.screen) this.face.remove(this.dog.screen.image);
      disposeDog(this.dog);
    }
    this.dog = buildDog(description, this.software);
    this.head = this.dog.links.find(({ name }) => name === description.screen_link) ?? null;
    this.hasPerson = description.links.some(({ name }) => name === "person_head");
    this.dog.root.visible = false; // until its first pose
    this.scene.add(this.dog.root);
    const { screen } = this.dog;
    if (screen) this.face.add(screen.image, () => { screen.needsUpdate = true; });
    const [x, y] = description.person.position;
    this.person.root.position.set(x, y, 0);
    this.headerBytes = description.pose_header_bytes;
    this.floatsPerLink = description.floats_per_link;
    this.target = new Float32Array(description.links.length * this.floatsPerLink);
    this.fresh = true;
  }

  /** @param {ArrayBuffer} message  float64 time, then (links, 7) float32: position m, quat_xyzw */
  setPoses(message) {
    if (message.byteLength !== this.headerBytes + this.target.byteLength) return;
    this.target.set(new Float32Array(message, this.headerBytes));
    this.posed = true;
  }

  /** @param {import("./messages.js").StateMessage} state @param {string} color  of the person's emotion, "#rrggbb" */
  setState(state, color) {
    if (state.person) this.person.root.position.set(state.person[0], state.person[1], 0);
    this.person.ring.material.color.set(color);
    this.person.wave.material.color.set(color);
    this.speaking = state.voice_active;
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.frame;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    const half = Math.tan((FIELD_OF_VIEW / 2) * Math.PI / 180) * Math.max(1, height / width);
    this.camera.fov = 2 * Math.atan(half) * 180 / Math.PI;
    this.camera.clearViewOffset();
    if (width < 600) this.camera.setViewOffset(width, height, 0.05 * width, -NARROW_SHIFT * height, width, height);
    this.camera.updateProjectionMatrix();
  }

  #frame(now) {
    if (!this.quality.mayDraw(now)) return;
    const seconds = Math.min((now - this.lastFrame) / 1000, 0.5);
    this.lastFrame = now;
    this.quality.begin(now);
    this.sun.castShadow = this.ground.shade.visible = this.quality.shadows;
    this.#movePoses(seconds);
    this.#moveCamera(seconds);
    this.#movePerson(now / 1000);
    this.#fadePerson(seconds);
    this.face.update(seconds);
    this.draw();
    this.quality.end();
    this.onFrame();
  }

  /** Draw what there is now onto the canvas. */
  draw() {
    this.renderer.render(this.scene, this.camera);
  }

  /** Where the camera is, m, and where in the picture dog and person are, -1..1 to the right and up. */
  get seen() {
    const { x, y } = this.person.root.position;
    const inPicture = (place) => place.project(this.camera).toArray().slice(0, 2);
    return {
      view: this.viewpoint.view, camera: this.camera.position.toArray(), person: [x, y],
      shown: { dog: inPicture(this.follow.clone()), feet: inPicture(new THREE.Vector3(x, y, 0)), face: inPicture(new THREE.Vector3(x, y, 1.6)) },
    };
  }

  #movePoses(seconds) {
    if (!this.posed || !this.dog) return;
    const weight = this.fresh ? 1 : 1 - Math.exp(-seconds / POSE_EASING_S);
    const position = new THREE.Vector3();
    const rotation = new THREE.Quaternion();
    this.dog.links.forEach((link, i) => {
      position.fromArray(this.target, i * this.floatsPerLink);
      rotation.fromArray(this.target, i * this.floatsPerLink + 3);
      const far = link.position.distanceToSquared(position) > JUMP_M ** 2;
      link.position.lerp(position, far ? 1 : weight);
      link.quaternion.slerp(rotation, far ? 1 : weight);
    });
    this.dog.root.visible = true;
  }

  #moveCamera(seconds) {
    if (this.posed && this.dog) {
      const trunk = this.dog.links[0].position;
      const jump = this.fresh || trunk.distanceTo(this.follow) > 2;
      this.follow.lerp(trunk, jump ? 1 : 1 - Math.exp(-seconds / FOLLOW_EASING_S)).setZ(0.28);
      if (jump) this.viewpoint.jump();
      this.viewpoint.step(seconds, { trunk: this.follow, head: this.head, person: this.person.root.position });
      this.fresh = false;
    }
    this.person.figure.visible = this.viewpoint.view !== "person" && !this.hasPerson;
    this.sun.target.position.copy(this.follow);
    this.sun.position.copy(this.follow).add(SUN_FROM);
    this.ground.centre(this.follow.x, this.follow.y);
    this.sky.mesh.position.set(this.follow.x, this.follow.y, 0);
  }

  /** The person looks at the dog; a ring runs outwards while they speak. */
  #movePerson(time) {
    const { root, figure, wave } = this.person;
    figure.rotation.z = Math.atan2(this.follow.y - root.position.y, this.follow.x - root.position.x);
    const phase = this.calm.matches ? 0.5 : (time * 1.2) % 1;
    wave.scale.setScalar(1 + 0.8 * phase);
    wave.material.opacity = this.speaking ? 0.8 * (1 - phase) : 0;
  }

  /** A person who stands between camera and dog becomes see-through. */
  #fadePerson(seconds) {
    const eye = this.camera.position.clone().setZ(0);
    const sight = this.follow.clone().setZ(0).sub(eye);
    const person = this.person.root.position.clone().setZ(0).sub(eye);
    const along = Math.min(0.85, Math.max(0, person.dot(sight) / sight.lengthSq()));
    const blocked = person.distanceTo(sight.multiplyScalar(along)) < IN_THE_WAY_M;
    const goal = blocked ? GHOST_OPACITY : 1;
    for (const material of this.person.materials) {
      material.opacity += (goal - material.opacity) * (1 - Math.exp(-seconds / 0.2));
      material.depthWrite = material.opacity > 0.9;
    }
  }
}
