// Made by tools/page_types.py from the types of the server: change them there.

/** One primitive in the frame of its link. `size` is [x, y, z] full lengths of a box, [radius] of a sphere, [radius, length] of a capsule (the straight part) or a cylinder, all in m; capsules and cylinders lie along their local z. */
export interface Shape {
  kind: "box" | "sphere" | "capsule" | "cylinder";
  size: number[];
  position: [number, number, number];
  quat_xyzw: [number, number, number, number];
  color: string;
  material: "shell" | "dark" | "metal" | "rubber" | "screen" | "ear" | "tail";
}

/** Triangles in the frame of their link, where no primitive shape will do. */
export interface Skin {
  /** (3 V,) m: x, y, z of each */
  vertices: number[];
  /** (3 T,): indices of three vertices, counter-clockwise from outside */
  triangles: number[];
  color: string;
}

/** A named rigid part and what one sees of it. */
export interface Link {
  name: string;
  shapes: Shape[];
  skin: Skin | null;
}

/** Parameters of the face on the screen; numbers without unit, the page draws the same ones. `brow_angle` runs from -1 (inner ends up: sad, worried) to +1 (inner ends down: angry), `smile` from -1 to +1, `pupil_x` and `pupil_y` from -1 to +1 (the dog's left, up), the rest from 0; `eye_open` above 1 is wide-eyed. */
export interface FaceParameters {
  eye_open: number;
  pupil_x: number;
  pupil_y: number;
  brow_angle: number;
  brow_height: number;
  smile: number;
  mouth_open: number;
  blush: number;
  color: string;
}

/** Settings that a person made by hand; None leaves it to the dog. */
export interface Manual {
  emotion: string | null;
  gait: string | null;
  /** forward, m/s */
  speed: number | null;
  /** to the left, m/s */
  sideways: number | null;
  /** counter-clockwise, rad/s */
  turning: number | null;
}

/** One control step of the timeline: what was felt, what was done, how the body moved. */
export interface Step {
  /** simulation time, s */
  t: number;
  emotion: string | null;
  /** 0..1 */
  confidence: number | null;
  /** -1..1 */
  valence: number | null;
  /** -1..1 */
  arousal: number | null;
  behaviour: string;
  gait: string;
  /** Hz */
  frequency: number;
  /** m */
  height: number;
  /** measured, m/s */
  vx: number;
  fallen: boolean;
}

/** One event as it came; `sha256` is the hash of what it says, without the clock of the page. */
export interface EventRequest {
  key: string;
  type: "answer" | "undo" | "withdraw" | "note";
  trial_id: string;
  expected_seq: number;
  data: Record<string, any>;
  client_ms: number | null;
}

/** Fields that every step has. */
export interface StepHead {
  /** "consent", "triplet", "done" ...; or what a plugin of the lab is called */
  kind: string;
  trial_id: string;
  /** number of the event that answers it */
  expected_seq: number;
  /** comparisons: done, of; block, blocks */
  progress: Record<string, number>;
  can_undo: boolean;
  language: string;
}

/** A step, with the fields of its kind. */
export interface StepMessage extends StepHead {
  title?: string;
  paragraphs?: string[];
  /** text, never HTML */
  html_paragraphs?: string[];
  checkboxes?: string[];
  /** of the consent's text */
  version?: string;
  /** of the same */
  sha256?: string;
  /** instructions after failed practice */
  again?: boolean;
  /** the kind of comparison that instructions are for */
  query?: string;
  instrument?: Record<string, any>;
  occasion?: string;
  /** of a break */
  minimum_s?: number;
  task?: string;
  /** ids of clips */
  items?: string[];
  reference?: string;
  /** so many of them */
  choose?: number;
  /** "practice" or "main" */
  phase?: string;
  min_watch_s?: number;
  ask_confidence?: boolean;
  allow_cannot_tell?: boolean;
  prompt?: string;
  /** ids of clips that come next */
  preload?: string[];
  outcome?: string;
  code?: string;
  url?: string | null;
}

/** A file that is heard. */
export interface PlayedMessage {
  name: string;
  position_s: number;
  duration_s: number;
}

/** The face that the dog looks at. */
export interface SightMessage {
  /** x, y, width, height as shares of the picture, from its upper left */
  box: [number, number, number, number] | null;
  /** how many there are */
  faces: number;
  /** why it is not judged: "no face", "too small", "blurred", "turned away"; or "" */
  reason: string;
  /** 0..1 */
  reliability: number;
  emotion: string | null;
  /** 0..1 */
  confidence: number | null;
}

/** Readings of the body's own sensors. */
export interface TelemetryMessage {
  /** (12,) rad: abduction, thigh and calf of each leg, in the order of the scene's legs */
  joints: number[];
  /** (12,) N m */
  torques: number[];
  /** (4,) of the feet */
  contacts: boolean[];
  /** right side down, nose down */
  roll_pitch_rad: [number, number];
  /** (3,) rad/s, in the world */
  angular_velocity: number[];
}

/** State of a session, ten times a second on /ws/live; the step of the timeline is in it as well. */
export interface StateMessage extends Step, ClockMessage {
  type: "state";
  /** (8,), in the order of the scene's labels; None when set by hand */
  probabilities: number[] | null;
  /** "voice", "face", "voice and face", "manual" */
  source: string | null;
  says: string;
  /** commanded, m/s */
  speed: number;
  /** nothing was sensed of late, or nothing clear */
  unsure: boolean;
  /** of voice and face, 0..1 */
  agreement: number | null;
  sight: SightMessage | null;
  /** how likely the last sound was speech, 0..1 */
  speech: number | null;
  voice_active: boolean;
  level_db: number | null;
  hearing: PlayedMessage | null;
  manual: Manual;
  face: FaceParameters;
  /** (2,) m */
  person: [number, number];
  telemetry: TelemetryMessage;
}

/** How the simulation keeps time, and who looks on; in every state. */
export interface ClockMessage {
  paused: boolean;
  real_time_factor: number;
  clients: number;
}

/** The dog makes a sound. */
export interface SoundMessage {
  type: "sound";
  name: string;
  id: number;
}

/** The answer to a command; `error` says why it was not obeyed. */
export interface AckMessage {
  type: "ack";
  id: number | null;
  ok: boolean;
  error: string | null;
}

/** Something to tell the person in words. */
export interface NoticeMessage {
  type: "notice";
  level: "info" | "error";
  text: string;
}

/** A page's command to the session, on /ws/live. */
export interface CommandMessage {
  type: "command";
  id: number;
  name: "emotion" | "gait" | "speed" | "drive" | "push" | "fetch" | "reset" | "stop_playing" | "pause";
  value: any;
}

/** Reply of GET /api/scene: what does not change while the page is open, and the numbers that both sides need. */
export interface SceneMessage {
  /** (8,) emotions */
  labels: string[];
  /** in the order of the pose messages */
  links: Link[];
  screen_link: string;
  gaits: string[];
  legs: string[];
  /** of a motor, N m */
  most_torque: number;
  /** name, and what it says when it begins */
  behaviours: Record<string, string>[];
  sounds: string[];
  /** feelings; a voice for each can be heard */
  samples: string[];
  /** colours of things that can be sent for, the favourite first */
  toys: string[];
  /** lowest and highest, m/s */
  speed_range: [number, number];
  /** lowest and highest to the left, m/s */
  sideways_range: [number, number];
  /** lowest and highest counter-clockwise, rad/s */
  turning_range: [number, number];
  /** so long the dog goes on after "drive"; s */
  drive_s: number;
  /** position (3,) m */
  person: Record<string, number[]>;
  control_hz: number;
  /** largest file that the server takes */
  upload_bytes: number;
  /** sounds less likely to be speech than this are not judged */
  least_speech: number;
  /** close code of a socket that the server will not take: trying again would not help */
  refused_code: number;
  /** a pose message begins with the time, float64 in s; */
  pose_header_bytes: number;
  /** so many float32 for each link follow: position in m, quat_xyzw */
  floats_per_link: number;
}

export type LiveMessage = StateMessage | SoundMessage | AckMessage | NoticeMessage;

/** Elements of index.html by id. */
export interface PageElements {
  "connection": HTMLElementTagNameMap["p"];
  "connection-text": HTMLElementTagNameMap["span"];
  "paused": HTMLElementTagNameMap["p"];
  "filming": HTMLElementTagNameMap["p"];
  "real-time": HTMLElementTagNameMap["span"];
  "view": HTMLElementTagNameMap["canvas"];
  "view-message": HTMLElementTagNameMap["p"];
  "banner": HTMLElementTagNameMap["p"];
  "drop": HTMLElementTagNameMap["div"];
  "toast": HTMLElementTagNameMap["div"];
  "notice": HTMLElementTagNameMap["p"];
  "notice-close": HTMLElementTagNameMap["button"];
  "face": HTMLElementTagNameMap["canvas"];
  "behaviour": HTMLElementTagNameMap["h2"];
  "says": HTMLElementTagNameMap["p"];
  "gait": HTMLElementTagNameMap["span"];
  "by-hand": HTMLElementTagNameMap["span"];
  "measured-speed": HTMLElementTagNameMap["dd"];
  "cadence": HTMLElementTagNameMap["dd"];
  "height": HTMLElementTagNameMap["dd"];
  "push": HTMLElementTagNameMap["button"];
  "pad-arrow": SVGElementTagNameMap["g"];
  "pause": HTMLElementTagNameMap["button"];
  "reset": HTMLElementTagNameMap["button"];
  "mute": HTMLElementTagNameMap["button"];
  "menu-open": HTMLElementTagNameMap["button"];
  "menu": HTMLElementTagNameMap["div"];
  "centre": HTMLElementTagNameMap["button"];
  "picture": HTMLElementTagNameMap["button"];
  "recording": HTMLElementTagNameMap["a"];
  "film": HTMLElementTagNameMap["button"];
  "film-text": HTMLElementTagNameMap["span"];
  "keys-drive": HTMLElementTagNameMap["input"];
  "panel": HTMLElementTagNameMap["aside"];
  "sheet-toggle": HTMLElementTagNameMap["button"];
  "sheet-label": HTMLElementTagNameMap["span"];
  "panel-body": HTMLElementTagNameMap["div"];
  "talk-title": HTMLElementTagNameMap["h2"];
  "microphone": HTMLElementTagNameMap["button"];
  "microphone-text": HTMLElementTagNameMap["span"];
  "camera": HTMLElementTagNameMap["button"];
  "camera-text": HTMLElementTagNameMap["span"];
  "upload": HTMLElementTagNameMap["input"];
  "sample": HTMLElementTagNameMap["button"];
  "sample-text": HTMLElementTagNameMap["span"];
  "level-name": HTMLElementTagNameMap["p"];
  "level": HTMLElementTagNameMap["div"];
  "level-fill": HTMLElementTagNameMap["span"];
  "device": HTMLElementTagNameMap["select"];
  "microphone-note": HTMLElementTagNameMap["p"];
  "camera-note": HTMLElementTagNameMap["p"];
  "mirror": HTMLElementTagNameMap["div"];
  "camera-video": HTMLElementTagNameMap["video"];
  "face-box": HTMLElementTagNameMap["canvas"];
  "sight-text": HTMLElementTagNameMap["span"];
  "agreement": HTMLElementTagNameMap["span"];
  "hearing": HTMLElementTagNameMap["div"];
  "hearing-name": HTMLElementTagNameMap["span"];
  "hearing-time": HTMLElementTagNameMap["span"];
  "hearing-progress": HTMLElementTagNameMap["progress"];
  "stop-playing": HTMLElementTagNameMap["button"];
  "aloud": HTMLElementTagNameMap["input"];
  "upload-limit": HTMLElementTagNameMap["span"];
  "hears-title": HTMLElementTagNameMap["h2"];
  "emotion": HTMLElementTagNameMap["span"];
  "source": HTMLElementTagNameMap["p"];
  "confidence-bar": HTMLElementTagNameMap["div"];
  "confidence-fill": HTMLElementTagNameMap["span"];
  "confidence": HTMLElementTagNameMap["span"];
  "affect": HTMLElementTagNameMap["canvas"];
  "bars": HTMLElementTagNameMap["ul"];
  "set-title": HTMLElementTagNameMap["h2"];
  "emotions": HTMLElementTagNameMap["div"];
  "fetching": HTMLElementTagNameMap["section"];
  "fetch-title": HTMLElementTagNameMap["h2"];
  "toys": HTMLElementTagNameMap["div"];
  "gait-title": HTMLElementTagNameMap["h2"];
  "gaits": HTMLElementTagNameMap["div"];
  "speed-value": HTMLElementTagNameMap["output"];
  "speed-auto": HTMLElementTagNameMap["button"];
  "speed": HTMLElementTagNameMap["input"];
  "stick": HTMLElementTagNameMap["button"];
  "stick-knob": SVGElementTagNameMap["circle"];
  "stick-sideways": HTMLElementTagNameMap["input"];
  "past-title": HTMLElementTagNameMap["h2"];
  "chart": HTMLElementTagNameMap["div"];
  "affect-chart": HTMLElementTagNameMap["div"];
  "telemetry": HTMLElementTagNameMap["details"];
  "legs": HTMLElementTagNameMap["tbody"];
  "tilt": HTMLElementTagNameMap["p"];
  "announcer": HTMLElementTagNameMap["p"];
}

/** Elements of study/index.html by id. */
export interface StudyElements {
  "title": HTMLElementTagNameMap["p"];
  "progress": HTMLElementTagNameMap["div"];
  "progress-bar": HTMLElementTagNameMap["progress"];
  "progress-text": HTMLElementTagNameMap["span"];
  "undo": HTMLElementTagNameMap["button"];
  "withdraw": HTMLElementTagNameMap["button"];
  "banner": HTMLElementTagNameMap["p"];
  "main": HTMLElementTagNameMap["main"];
  "notice": HTMLElementTagNameMap["p"];
  "ground": HTMLElementTagNameMap["div"];
  "jspsych": HTMLElementTagNameMap["div"];
  "splash": HTMLElementTagNameMap["p"];
  "live": HTMLElementTagNameMap["p"];
  "dialog": HTMLElementTagNameMap["dialog"];
  "dialog-title": HTMLElementTagNameMap["h2"];
  "dialog-text": HTMLElementTagNameMap["p"];
  "dialog-no": HTMLElementTagNameMap["button"];
  "dialog-yes": HTMLElementTagNameMap["button"];
}
