// Sound on the browser's audio thread: the microphone as 8 kHz frames, and the agent's voice.
//
// The browser runs its audio at a rate of its own (44.1 or 48 kHz), the telephone at 8 kHz. Between
// the two stands a filter with a windowed sinc, which passes what a telephone passes.

const LINE_RATE = 8000; // Hz
const FRAME = 160; // samples: 20 ms

const ZEROS = 12; // zero crossings of the sinc on each side
const PHASES = 128; // steps between two samples

// The filter for a change of rate. scale: 1 if the rate rises, else the new rate by the old one.
function kernel(scale) {
  const half = Math.ceil(ZEROS / scale);
  const cut = 0.95 * scale; // of half the rate of the input
  const table = [];
  for (let phase = 0; phase <= PHASES; phase++) {
    const taps = new Float32Array(2 * half);
    let sum = 0;
    for (let tap = 0; tap < taps.length; tap++) {
      const distance = tap - half + 1 - phase / PHASES;
      const angle = Math.PI * distance * cut;
      const sinc = Math.abs(angle) < 1e-9 ? 1 : Math.sin(angle) / angle;
      const window = Math.abs(distance) >= half ? 0 : 0.5 + 0.5 * Math.cos((Math.PI * distance) / half);
      taps[tap] = sinc * window;
      sum += taps[tap];
    }
    for (let tap = 0; tap < taps.length; tap++) taps[tap] /= sum; // silence and hum keep their level
    table.push(taps);
  }
  return { half, table };
}

// The value of `samples` at `position`, which may lie between two of them.
function valueAt(samples, position, { half, table }) {
  const before = Math.floor(position);
  const taps = table[Math.round((position - before) * PHASES)];
  let value = 0;
  for (let tap = 0; tap < taps.length; tap++) {
    value += taps[tap] * (samples[before - half + 1 + tap] || 0);
  }
  return value;
}

// The microphone: posts { frame: Int16Array of 20 ms, level: 0 to 1 }.
class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / LINE_RATE;
    this.kernel = kernel(Math.min(1, LINE_RATE / sampleRate));
    this.waiting = []; // samples of the browser's rate
    this.position = this.kernel.half;
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
  }

  process([input]) {
    const sound = input[0];
    if (!sound) return true; // no microphone is connected yet
    for (const sample of sound) this.waiting.push(sample);
    while (this.position + this.kernel.half < this.waiting.length) {
      const value = valueAt(this.waiting, this.position, this.kernel);
      this.frame[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(value * 32767)));
      this.position += this.step;
      if (this.filled === FRAME) this.send();
    }
    const done = Math.floor(this.position) - this.kernel.half;
    this.waiting.splice(0, done);
    this.position -= done;
    return true;
  }

  send() {
    const level = this.frame.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 0) / 32768;
    this.port.postMessage({ frame: this.frame, level }, [this.frame.buffer]);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
  }
}

// Sound that is held back before it is played, so that a late frame leaves no gap (s).
const HELD = 0.08;
// From here on sound is played faster, until HELD is reached again (s).
const TOO_MUCH = 0.14;
// How much faster or slower, at most: no ear hears it, and it is fifty times any clock's error.
const BEND = 0.005;
// A pause that is shorter was a gap, one that is longer was meant (s).
const GAP = 0.25;

// The agent's voice: takes { play: Int16Array } and { drop: true }; posts what it has done.
class Speaker extends AudioWorkletProcessor {
  constructor() {
    super();
    this.kernel = kernel(1);
    this.samples = []; // of the line's rate
    this.position = this.kernel.half;
    this.playing = false;
    this.dryAt = -Infinity;
    this.told = 0;
    this.done = { played: 0, gaps: 0, dropped: 0 };
    this.port.onmessage = ({ data }) => (data.drop ? this.drop() : this.take(data.play));
  }

  // Sound that waits (s).
  get held() {
    return Math.max(0, this.samples.length - this.position) / LINE_RATE;
  }

  take(play) {
    if (!this.playing && !this.samples.length) {
      if (currentTime - this.dryAt < GAP) this.done.gaps++;
      this.samples = new Array(this.kernel.half).fill(0);
      this.position = this.kernel.half;
      this.firstAt = currentTime;
    }
    for (const sample of play) this.samples.push(sample / 32768);
  }

  drop() {
    this.done.dropped += this.held;
    // A few samples fade out instead of a click.
    const last = Math.min(this.samples.length, Math.floor(this.position) + 40);
    this.samples.length = last;
    for (let back = 0; back < 40 && last - 1 - back >= 0; back++) this.samples[last - 1 - back] *= back / 40;
    this.dryAt = -Infinity;
  }

  process(inputs, [output]) {
    const sound = output[0];
    const waited = this.samples.length && currentTime - this.firstAt >= HELD;
    if (!this.playing && (this.held >= HELD || waited)) this.playing = true;
    if (this.playing) this.fill(sound);
    for (const other of output.slice(1)) other.set(sound);
    if (currentTime - this.told > 0.1) {
      this.told = currentTime;
      this.port.postMessage({ ...this.done, held: this.held, playing: this.playing });
    }
    return true;
  }

  fill(sound) {
    const speed = this.held > TOO_MUCH ? 1 + BEND : this.held < HELD / 2 ? 1 - BEND : 1;
    const step = (LINE_RATE / sampleRate) * speed;
    for (let at = 0; at < sound.length; at++) {
      if (this.position >= this.samples.length) {
        this.playing = false;
        this.samples = [];
        this.dryAt = currentTime;
        return;
      }
      sound[at] = valueAt(this.samples, this.position, this.kernel);
      this.position += step;
      this.done.played += step / LINE_RATE;
    }
    const done = Math.floor(this.position) - this.kernel.half;
    if (done > LINE_RATE / 10) {
      this.samples.splice(0, done);
      this.position -= done;
    }
  }
}

registerProcessor("microphone", Microphone);
registerProcessor("speaker", Speaker);
