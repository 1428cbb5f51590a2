// The browser's sound: opens microphone and loudspeaker, and says why it cannot.

export class Sound {
  constructor() {
    this.context = null;
    this.speaker = null;
    this.stream = null;
    this.done = { played: 0, gaps: 0, dropped: 0, held: 0, playing: false };
  }

  // Opens the loudspeaker; only after a person has clicked, or the browser stays silent.
  async start() {
    this.context = new AudioContext({ latencyHint: "interactive" });
    await this.context.audioWorklet.addModule("/console/sound-worklet.js");
    this.speaker = new AudioWorkletNode(this.context, "speaker", { numberOfInputs: 0, outputChannelCount: [1] });
    this.speaker.port.onmessage = ({ data }) => (this.done = data);
    this.speaker.connect(this.context.destination);
    await this.context.resume();
  }

  // Opens the microphone. heard: called with each frame (Int16Array of 20 ms) and its level (0-1).
  // Throws an Error that says what a person can do.
  async listen(heard) {
    if (!navigator.mediaDevices) {
      throw new Error(
        "A browser gives its microphone to https:// and localhost only. Write instead, or open " +
          `this page through a tunnel: ssh -L ${location.port || 80}:localhost:${location.port || 80} ${location.hostname}`,
      );
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
      });
    } catch (error) {
      const why = { NotAllowedError: "The microphone is not allowed to this page", NotFoundError: "There is no microphone" };
      throw new Error(`${why[error.name] || `The microphone cannot be used (${error.message})`}. Write instead.`);
    }
    const microphone = new AudioWorkletNode(this.context, "microphone", { numberOfOutputs: 0 });
    microphone.port.onmessage = ({ data }) => heard(data.frame, data.level);
    this.context.createMediaStreamSource(this.stream).connect(microphone);
  }

  play(samples) {
    if (this.speaker) this.speaker.port.postMessage({ play: samples });
  }

  // Drops what was not played yet.
  drop() {
    if (this.speaker) this.speaker.port.postMessage({ drop: true });
  }

  async end() {
    for (const track of this.stream ? this.stream.getTracks() : []) track.stop();
    if (this.context) await this.context.close();
    this.context = this.speaker = this.stream = null;
  }
}
