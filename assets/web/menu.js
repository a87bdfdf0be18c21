/** The menu over the view: where one looks from, light or dark, pictures and films, and the keys. */

import { Film, savePicture } from "./keepsake.js";
import { $, isShortcut, setPressed, setText } from "./page.js";
import { chooseTheme, chosenTheme } from "./theme.js";

/** In the order in which a key goes through them. */
const VIEWS = /** @type {const} */ (["beside", "person", "dog", "above"]);

export class Menu {
  film = new Film();

  /**
   * @param {{scene: () => import("./scene.js").DogScene|null, sound: () => MediaStream|null,
   *   notice: (level: "info"|"error", text: string) => void}} page  `sound`: what the dog says
   */
  constructor(page) {
    this.page = page;
    for (const radio of this.#radios("view")) radio.addEventListener("change", () => this.look(radio.value));
    for (const radio of this.#radios("theme")) {
      radio.checked = radio.value === chosenTheme();
      radio.addEventListener("change", () => chooseTheme(/** @type {import("./theme.js").Theme} */ (radio.value)));
    }
    $("centre").addEventListener("click", () => this.look("beside"));
    $("picture").addEventListener("click", () => this.#picture());
    $("film").addEventListener("click", () => this.#film());
    addEventListener("keydown", (event) => this.#byKey(event));
  }

  /** Nothing can be seen, so nothing can be looked at from elsewhere, or kept. */
  disable() {
    for (const control of [...this.#radios("view"), $("centre"), $("picture"), $("film")]) control.disabled = true;
  }

  /** @returns {HTMLInputElement[]} */
  #radios(name) {
    return [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll(`#menu input[name="${name}"]`))];
  }

  /** @param {string} view */
  look(view) {
    const chosen = VIEWS.find((each) => each === view) ?? "beside";
    this.page.scene()?.viewpoint.choose(chosen);
    for (const radio of this.#radios("view")) radio.checked = radio.value === chosen;
  }

  async #picture() {
    const scene = this.page.scene();
    if (!scene) return;
    try {
      this.page.notice("info", `Saved as ${await savePicture(() => scene.draw(), scene.canvas)}.`);
    } catch (error) {
      this.page.notice("error", error.message);
    }
  }

  async #film() {
    const scene = this.page.scene();
    if (!scene) return;
    try {
      if (this.film.isOn) this.page.notice("info", `Saved as ${await this.film.stop()}.`);
      else this.film.start(scene.canvas, this.page.sound());
    } catch (error) {
      this.page.notice("error", error.message);
    }
    setPressed($("film"), this.film.isOn);
    setText($("film-text"), this.film.isOn ? "Stop and save the film" : "Film the view");
    $("filming").hidden = !this.film.isOn;
  }

  #byKey(event) {
    if (!isShortcut(event)) return;
    if (event.key === "?") $("menu").togglePopover();
    else if (event.key === "v") this.look(VIEWS[(VIEWS.indexOf(this.page.scene()?.viewpoint.view ?? "beside") + 1) % VIEWS.length]);
    else if (event.key === "c") this.look("beside");
    else if (event.key === "p") $("pause").click();
    else if (event.key === "m") $("mute").click();
    else if (event.key === "f") document.getElementById("fetch-favourite")?.click();
  }
}
