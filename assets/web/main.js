/**
 * Wiring: what arrives from the server goes to the scene, face, panel, chart and loudspeaker; what the user does goes
 * to the server. `window.empaw` shows the counters that tests and curious people read.
 */

import { DogVoice, Microphone, Playback, microphoneObstacle, unlockOnGesture } from "./audio.js";
import { Camera, cameraObstacle } from "./camera.js";
import { EmotionChart } from "./chart.js";
import { Commands, RateMeter, ReconnectingSocket, TokenError, getJson, post } from "./connection.js";
import { FaceAnimator } from "./face.js";
import { Driver } from "./drive.js";
import { Menu } from "./menu.js";
import { MicrophonePanel } from "./microphone-panel.js";
import { $, megabytes } from "./page.js";
import { emotionColor } from "./palette.js";
import { Panel } from "./panel.js";
import { TelemetryTable } from "./telemetry.js";

const RETRY_SCENE_MS = 2000;

const face = new FaceAnimator();
const voice = new DogVoice();
const playback = new Playback();
const poses = new RateMeter();
const frames = new RateMeter();
/** @type {ReconnectingSocket|null} */
let live = null;
/** @type {import("./scene.js").DogScene|null} */
let scene = null;
/** @type {EmotionChart|null} */
let chart = null;
/** @type {import("./messages.js").SceneMessage} */
let description;
/** @type {import("./messages.js").StateMessage|null} */
let state = null;
let samplesHeard = 0;

const panel = new Panel({ command: (name, value, event) => commands.issue(name, value, event) });
const commands = new Commands((text) => live?.send(text) ?? false, (text) => panel.notice("error", text));
const driver = new Driver((name, value, event) => commands.issue(name, value, event));
const telemetry = new TelemetryTable();
const menu = new Menu({ scene: () => scene, sound: () => voice.stream, notice: (level, text) => panel.notice(level, text) });

// ---- the 3D view ----------------------------------------------------------------------------------------------

function explainMissingView(error) {
  console.warn(`No 3D view: ${error.message}`);
  $("view-message").textContent = "This browser shows no 3D (WebGL is off), so the dog itself stays hidden. Everything else works.";
  $("view-message").hidden = false;
}

/** Without a view nobody else drives the face. */
function animateFaceAlone() {
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    face.update((now - last) / 1000);
    last = now;
  }, 50);
}

async function openView() {
  try {
    const { DogScene } = await import("./scene.js");
    scene = new DogScene($("view"), face, () => frames.tick());
    $("view").addEventListener("webglcontextlost", () => {
      explainMissingView(new Error("context lost"));
      animateFaceAlone();
    });
    $("view").addEventListener("webglcontextrestored", () => { $("view-message").hidden = true; });
  } catch (error) {
    explainMissingView(error);
    animateFaceAlone();
    menu.disable();
  }
}

// ---- from the server ------------------------------------------------------------------------------------------

/** Ask what there is to show; a server that was restarted may have another dog. */
async function loadScene() {
  const told = await getJson("/api/scene");
  if (JSON.stringify(told) === JSON.stringify(description)) return;
  description = told;
  ReconnectingSocket.refusedCode = description.refused_code;
  panel.build(description);
  driver.setLimits(description);
  telemetry.build(description);
  nameNextSample();
  scene?.setDescription(description);
  chart = new EmotionChart($("chart"), $("affect-chart"), description.labels);
}

/** @param {import("./messages.js").StateMessage} next */
function showState(next) {
  const heardBefore = state?.hearing;
  state = next;
  panel.showState(next);
  chart?.add(next);
  telemetry.show(next.telemetry);
  face.set(next.face);
  scene?.setState(next, emotionColor(next.emotion));
  if (heardBefore && !next.hearing) playback.stop();
  else playback.hold(next.paused);
}

const liveHandlers = {
  state: showState,
  sound: (message) => voice.play(message.name),
  ack: (message) => commands.acknowledge(message),
  notice: (message) => panel.notice(message.level, message.text),
};

function openSockets() {
  live = new ReconnectingSocket("/ws/live", {
    expectsMessages: true,
    onOpen: () => {
      panel.showConnection("connected");
      loadScene().catch((error) => panel.notice("error", error.message));
    },
    onMessage: (text) => {
      const message = JSON.parse(String(text));
      liveHandlers[message.type]?.(message);
    },
    onClose: () => {
      panel.showConnection("lost");
      commands.forget();
    },
    onRefused: () => panel.showConnection("refused"),
  });
  new ReconnectingSocket("/ws/poses", {
    expectsMessages: true,
    onMessage: (data) => {
      poses.tick();
      scene?.setPoses(/** @type {ArrayBuffer} */ (data));
    },
  });
}

// ---- from the user --------------------------------------------------------------------------------------------

const microphonePanel = new MicrophonePanel(changeMicrophone);
const microphone = new Microphone({
  deviceId: () => microphonePanel.deviceId,
  isMuted: () => voice.isSounding || playback.isPlaying,
  onLevel: (db, muted) => microphonePanel.showLevel(db, muted),
  onNotice: (level, text) => panel.notice(level, text),
  onRefused: () => microphonePanel.showOn(false),
});

const camera = new Camera($("camera-video"), {
  onNotice: (level, text) => panel.notice(level, text),
  onRefused: () => panel.showCamera(false),
});

async function changeMicrophone() {
  try {
    await microphone.change();
  } catch (error) {
    panel.notice("error", error.message);
    microphonePanel.showOn(false);
  }
}

/** Switch a microphone or camera on or off, and say why when that cannot be. */
async function toggle(button, device, show) {
  button.disabled = true;
  try {
    if (device.isOn) device.stop();
    else await device.start();
  } catch (error) {
    panel.notice("error", error.message);
  } finally {
    button.disabled = false;
    show(device.isOn);
  }
}

/** @param {HTMLElement} note  says all the time why a device cannot be used here */
function wireDevice(button, device, obstacle, show, note) {
  note.hidden = obstacle === null;
  note.textContent = obstacle;
  button.disabled = obstacle !== null;
  if (!obstacle) button.addEventListener("click", () => toggle(button, device, show));
}

/** @param {File} file */
async function hearFile(file) {
  const [size, most] = [file.size, description.upload_bytes].map(megabytes);
  if (file.size > description.upload_bytes) {
    panel.notice("error", `"${file.name}" has ${size.toFixed(1)} MB; the dog takes ${most} MB at most. Try a shorter piece.`);
    return;
  }
  const progress = (share) => panel.notice("info", `Sending "${file.name}": ${Math.round(100 * share)} %`);
  try {
    progress(0);
    const headers = { "X-File-Name": encodeURIComponent(file.name) };
    const heard = await post("/api/hear", file, { headers, onProgress: progress });
    const sounds = heard.duration_s > 0;
    const length = sounds ? ` (${heard.duration_s.toFixed(1)} s)` : "";
    panel.notice("info", `The dog ${heard.seen ? "watches" : "listens to"} "${heard.name}"${length}.`);
    if (sounds && $("aloud").checked) await playback.play(file);
  } catch (error) {
    panel.notice("error", error.message);
  }
}

/** The button plays the samples in turn and names the next. */
function nameNextSample() {
  $("sample-text").textContent = `Sample: ${description.samples[samplesHeard % description.samples.length]}`;
}

async function hearSample() {
  $("sample").disabled = true;
  try {
    const feeling = description.samples[samplesHeard % description.samples.length];
    const heard = await post(`/api/hear_sample?feeling=${feeling}`, null);
    samplesHeard += 1;
    nameNextSample();
    panel.notice("info", `The dog listens to "${heard.name}".`);
    if ($("aloud").checked) await playback.play(heard.url);
  } catch (error) {
    panel.notice("error", error.message);
  } finally {
    $("sample").disabled = false;
  }
}

function wireFiles() {
  const upload = $("upload");
  upload.addEventListener("change", () => {
    if (upload.files?.length) hearFile(upload.files[0]);
    upload.value = ""; // The same file may be chosen again.
  });
  $("sample").addEventListener("click", hearSample);
  $("aloud").addEventListener("change", () => { if (!$("aloud").checked) playback.stop(); });
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    $("drop").hidden = false;
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").hidden = true; });
  addEventListener("drop", (event) => {
    $("drop").hidden = true;
    if (!carriesFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer?.files.length) hearFile(event.dataTransfer.files[0]);
  });
}

function wireMute() {
  $("mute").addEventListener("click", () => {
    voice.setMuted(!voice.muted);
    $("mute").setAttribute("aria-pressed", String(voice.muted));
    $("mute").setAttribute("aria-label", voice.muted ? "Unmute the dog" : "Mute the dog");
  });
}

// ---- start ----------------------------------------------------------------------------------------------------

window.empaw = {
  ready: false,
  get poseCount() { return poses.count; },
  get poseHz() { return poses.hz; },
  get frameCount() { return frames.count; },
  get frameHz() { return frames.hz; },
  get view() { return scene?.seen ?? null; },
  get pixelRatio() { return scene?.quality.pixelRatio ?? 0; },
  get acks() { return commands.acks; },
  get state() { return state; },
  get aloud() { return { playing: playback.isPlaying, at: playback.element.currentTime }; },
  get microphone() { return microphone.stream?.getAudioTracks()[0]?.label ?? null; },
  get chart() { return chart?.rows ?? []; },
};

/**
 * The first description is needed before anything can be shown; keep asking until the server answers.
 * @returns {Promise<boolean>} whether it told
 */
async function loadFirstScene() {
  for (;;) {
    try {
      await loadScene();
      return true;
    } catch (error) {
      if (error instanceof TokenError) {
        panel.showConnection("refused");
        return false;
      }
      panel.notice("error", error.message);
      panel.showConnection("lost");
      await new Promise((resolve) => setTimeout(resolve, RETRY_SCENE_MS));
    }
  }
}

panel.showConnection("connecting");
unlockOnGesture();
wireDevice($("microphone"), microphone, microphoneObstacle(), (on) => microphonePanel.showOn(on), $("microphone-note"));
wireDevice($("camera"), camera, cameraObstacle(), (on) => panel.showCamera(on), $("camera-note"));
wireFiles();
wireMute();
face.add($("face"));
await openView();
if (await loadFirstScene()) openSockets();
window.empaw.ready = true;
