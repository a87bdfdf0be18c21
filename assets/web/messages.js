/**
 * The messages between page and server, as JSDoc types, and the few constants that both sides know.
 * World frame: z up, x forward, metres. Quaternions are xyzw.
 *
 * @typedef {Object} Shape
 * @property {"box"|"sphere"|"capsule"|"cylinder"} kind
 * @property {number[]} size  box [x, y, z] full lengths m; sphere [radius]; capsule [radius, length of the straight
 *   part]; cylinder [radius, length]. Capsules and cylinders lie along local z.
 * @property {number[]} position  (3,) m in the link frame
 * @property {number[]} quat_xyzw  (4,)
 * @property {string} color  "#rrggbb"
 * @property {"shell"|"dark"|"metal"|"rubber"|"screen"|"ear"|"tail"} material
 *
 * @typedef {Object} SceneDescription  reply of GET /api/scene
 * @property {string[]} labels  (8,) emotions, in the order of `State.probabilities`
 * @property {{name: string, shapes: Shape[]}[]} links  in the order of the pose messages
 * @property {string} screen_link
 * @property {string[]} gaits
 * @property {{name: string, says: string}[]} behaviours
 * @property {string[]} sounds
 * @property {[number, number]} speed_range  m/s
 * @property {{position: number[]}} person
 * @property {number} control_hz
 *
 * @typedef {Object} FaceParameters  see face.js
 * @property {number} eye_open  0..1.3
 * @property {number} pupil_x  -1..1, +1 to the right of the picture
 * @property {number} pupil_y  -1..1, +1 up
 * @property {number} brow_angle  -1 worried (inner ends up) .. +1 angry (inner ends down)
 * @property {number} brow_height  -1..1, +1 raised
 * @property {number} smile  -1..1
 * @property {number} mouth_open  0..1
 * @property {number} blush  0..1
 * @property {string} color  "#rrggbb"
 *
 * @typedef {Object} Sight  the face that the dog looks at
 * @property {[number, number, number, number]|null} box  x, y, width, height as shares of the picture
 * @property {number} faces  how many there are
 * @property {string} reason  "", or why it is not judged: "no face", "too small", "blurred", "turned away"
 * @property {number} reliability  0..1
 * @property {string|null} emotion
 * @property {number|null} confidence  0..1
 *
 * @typedef {Object} State  ten times a second on /ws/live
 * @property {"state"} type
 * @property {number} t  simulation time, s
 * @property {string|null} emotion
 * @property {number|null} confidence  0..1
 * @property {number[]|null} probabilities  (8,)
 * @property {number|null} valence  -1..1
 * @property {number|null} arousal  -1..1
 * @property {string|null} source  "voice", "face", "voice and face", "manual"
 * @property {boolean} unsure  nothing was sensed of late, or nothing clear
 * @property {number|null} agreement  of voice and face, 0..1
 * @property {Sight|null} sight
 * @property {number|null} speech  how likely the last sound was speech, 0..1
 * @property {string} behaviour
 * @property {string} says
 * @property {string} gait
 * @property {number} frequency  Hz
 * @property {number} height  m
 * @property {number} vx  measured, m/s
 * @property {number} speed  commanded, m/s
 * @property {boolean} fallen
 * @property {boolean} paused
 * @property {boolean} voice_active
 * @property {number|null} level_db
 * @property {{name: string, position_s: number, duration_s: number}|null} hearing
 * @property {{emotion: string|null, gait: string|null, speed: number|null}} manual
 * @property {FaceParameters} face
 * @property {number} real_time_factor
 * @property {number} clients
 * @property {[number, number]} person  m
 *
 * @typedef {{type: "sound", name: string, id: number}} SoundMessage
 * @typedef {{type: "ack", id: number, ok: boolean, error?: string}} AckMessage
 * @typedef {{type: "notice", level: "info"|"error", text: string}} NoticeMessage
 * @typedef {State|SoundMessage|AckMessage|NoticeMessage} LiveMessage
 *
 * @typedef {Object} Command  page -> server on /ws/live
 * @property {"command"} type
 * @property {number} id
 * @property {"emotion"|"gait"|"speed"|"push"|"reset"|"pause"|"stop_hearing"} name
 * @property {string|number|boolean|{direction_rad: number}|null} value
 */

/** Largest file that the server hears, bytes. */
export const UPLOAD_LIMIT_BYTES = 25 * 1024 * 1024;

/** One pose message: float64 time, then seven float32 per link. */
export const POSE_HEADER_BYTES = 8;
export const FLOATS_PER_LINK = 7;

/** "play_bow" -> "play bow" */
export function readable(name) {
  return String(name ?? "").replaceAll("_", " ");
}
