/** Where a camera has to stand to have everything in view, and nothing smaller than it needs to be. */

import * as THREE from "../../vendor/three/three.module.min.js";

/**
 * The nearest place from which all points are in view, in closed form: of each side of the pyramid of view the point that
 * lies furthest out decides.
 * @param {THREE.Vector3[]} points
 * @param {THREE.Vector3} direction  from what is looked at to the camera
 * @param {number} tangent  of half the vertical field of view
 * @param {number} aspect  width over height
 * @returns {{position: THREE.Vector3, target: THREE.Vector3}}
 */
export function fitCamera(points, direction, tangent, aspect) {
  const ahead = direction.clone().normalize().negate();
  const right = new THREE.Vector3().crossVectors(ahead, new THREE.Vector3(0, 0, 1)).normalize();
  const up = new THREE.Vector3().crossVectors(right, ahead);
  const [wide, high] = [tangent * aspect, tangent];
  let [left, rightmost, low, top] = [Infinity, Infinity, Infinity, Infinity];
  for (const point of points) {
    const [x, y, z] = [point.dot(right), point.dot(up), point.dot(ahead)];
    left = Math.min(left, z * wide + x);
    rightmost = Math.min(rightmost, z * wide - x);
    low = Math.min(low, z * high + y);
    top = Math.min(top, z * high - y);
  }
  const depth = Math.min((left + rightmost) / (2 * wide), (low + top) / (2 * high));
  const position = new THREE.Vector3().addScaledVector(right, (left - rightmost) / 2).addScaledVector(up, (low - top) / 2).addScaledVector(ahead, depth);
  return { position, target: position.clone().add(ahead) };
}

/** The eight corners of a box. */
export function cornersOf({ min, max }) {
  const corners = [];
  for (const x of [min.x, max.x]) for (const y of [min.y, max.y]) for (const z of [min.z, max.z]) corners.push(new THREE.Vector3(x, y, z));
  return corners;
}
