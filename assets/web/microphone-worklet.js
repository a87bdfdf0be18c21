/**
 * Runs on the audio thread: mixes the microphone to mono, and posts Int16 chunks of 50 ms with their level.
 * Message to the page: {samples: Int16Array, level_db: number}.
 */

const CHUNK_SECONDS = 0.05;
const SILENCE_DB = -100;

class MicrophoneProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.length = Math.round(sampleRate * CHUNK_SECONDS);
    this.chunk = new Int16Array(this.length);
    this.filled = 0;
    this.energy = 0;
  }

  process([channels]) {
    const frames = channels[0]?.length ?? 0;
    for (let i = 0; i < frames; i++) {
      let value = 0;
      for (const channel of channels) value += channel[i] / channels.length;
      value = Math.max(-1, Math.min(1, value));
      this.energy += value * value;
      this.chunk[this.filled++] = Math.round(value * 32767);
      if (this.filled === this.length) this.flush();
    }
    return true;
  }

  flush() {
    const power = this.energy / this.length;
    const level_db = power > 0 ? Math.max(SILENCE_DB, 10 * Math.log10(power)) : SILENCE_DB;
    this.port.postMessage({ samples: this.chunk, level_db }, [this.chunk.buffer]);
    this.chunk = new Int16Array(this.length);
    this.filled = 0;
    this.energy = 0;
  }
}

registerProcessor("microphone", MicrophoneProcessor);
