// What the pages' plain scripts put beside the modules, and what tests read.
import type uPlotType from "uplot";
import type * as jsPsychModuleType from "jspsych";

declare global {
  const uPlot: typeof uPlotType;
  var jsPsychModule: typeof jsPsychModuleType;
  /** The element of "button.primary.wide". */
  type ElementOf<T extends string> = T extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[T]
    : T extends `${infer Name extends keyof HTMLElementTagNameMap}.${string}` ? HTMLElementTagNameMap[Name] : HTMLElement;
  /** For tests and curious people: counters of the page, or the parts of a study's. */
  var empaw: any;
  /** Of the audio thread, which microphone-worklet.js runs on. */
  const sampleRate: number;
  class AudioWorkletProcessor {
    readonly port: MessagePort;
  }
  function registerProcessor(name: string, processor: typeof AudioWorkletProcessor): void;
}
