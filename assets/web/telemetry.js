/** What the body's own sensors read: joints, motors, feet and the inertial unit. Drawn only while somebody looks. */

import { $, setText } from "./page.js";

const JOINTS = ["hip", "thigh", "calf"];
const LEG_NAMES = { FR: "front right", FL: "front left", RR: "rear right", RL: "rear left" };
const degrees = (radians) => `${Math.round(radians * 180 / Math.PI)}°`.replace("-", "−");

export class TelemetryTable {
  mostTorque = 1;
  /** @type {HTMLTableRowElement[]} */
  rows = [];

  /** Rows for the legs of this dog. @param {import("./messages.js").SceneMessage} scene */
  build(scene) {
    this.mostTorque = scene.most_torque;
    this.rows = scene.legs.map((leg) => {
      const row = document.createElement("tr");
      const head = Object.assign(document.createElement("th"), { scope: "row", textContent: LEG_NAMES[leg] ?? leg });
      row.append(head, ...["foot", ...JOINTS].map(() => document.createElement("td")));
      return row;
    });
    $("legs").replaceChildren(...this.rows);
  }

  /** @param {import("./messages.js").TelemetryMessage} read */
  show(read) {
    if (!$("telemetry").open) return;
    this.rows.forEach((row, leg) => {
      const [, foot, ...joints] = row.children;
      setText(foot, read.contacts[leg] ? "on the ground" : "in the air");
      joints.forEach((cell, joint) => {
        const torque = read.torques[3 * leg + joint];
        setText(cell, degrees(read.joints[3 * leg + joint]));
        /** @type {HTMLElement} */ (cell).style.setProperty("--effort", `${Math.min(100, 100 * Math.abs(torque) / this.mostTorque).toFixed(0)}%`);
        /** @type {HTMLElement} */ (cell).title = `${torque.toFixed(1)} N m`;
      });
    });
    const [roll, pitch] = read.roll_pitch_rad;
    setText($("tilt"), `roll ${degrees(roll)}, pitch ${degrees(pitch)}, turning ${degrees(read.angular_velocity[2])}/s`);
  }
}
