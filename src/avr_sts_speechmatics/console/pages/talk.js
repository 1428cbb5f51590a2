// Talk: a call from this browser, by microphone or in writing, with all that happens in it.

import { element, replace } from "./elements.js";
import { Line } from "./line.js";
import { Sound } from "./sound.js";
import { bar, legend } from "./waits.js";

const AGAIN = [0.5, 1, 2, 4, 8]; // seconds before the next try after a lost connection
const SILENCE = new Int16Array(160);

export function show(main) {
  const talk = new Talk();
  replace(main, ...talk.elements());
  globalThis.talk = talk; // for a look from the browser's console
  return () => talk.end();
}

class Talk {
  constructor() {
    this.line = null;
    this.sound = null;
    this.silence = 0;
    this.tries = 0;
    this.again = 0;
    this.times = [];
    this.received = { frames: 0, loudest: 0 };
  }

  elements() {
    this.agent = element("input", { id: "agent", name: "agent", placeholder: "default", autocomplete: "off" });
    this.facts = element("input", { id: "facts", placeholder: "from=+4930123456 name=Ada", autocomplete: "off" });
    this.call = element("button", { class: "main", onclick: () => this.begin(true) }, "Call with the microphone");
    this.write = element("button", { onclick: () => this.begin(false) }, "Call in writing");
    this.hangUp = element("button", { class: "end", hidden: true, onclick: () => this.end() }, "Hang up");
    this.state = element("p", { class: "state", role: "status" }, "No call.");
    this.level = element("meter", { min: 0, max: 1, high: 0.9, hidden: true, "aria-label": "Level of the microphone" });
    this.text = element("input", { id: "text", autocomplete: "off", placeholder: "What are your opening hours?" });
    this.written = element("form", { class: "row", hidden: true, onsubmit: (event) => this.send(event) },
      element("label", { class: "wide", for: "text" }, "Write to the agent", this.text),
      element("button", {}, "Send"));
    const keys = [..."123456789*0#"].map((key) =>
      element("button", { type: "button", onclick: () => this.press(key) }, key));
    this.keys = element("details", { hidden: true }, element("summary", {}, "Keys of the phone"),
      element("div", { class: "keys" }, ...keys));
    this.said = element("ol", { class: "talk", "aria-live": "polite", "aria-label": "What is said" });
    this.legend = legend();
    this.legend.hidden = true;
    return [
      element("h1", {}, "Talk to the agent"),
      element("div", { class: "row" },
        element("label", { for: "agent" }, "Agent", element("br"), this.agent),
        element("label", { class: "wide", for: "facts" }, "Facts of the call", this.facts)),
      element("div", { class: "row" }, this.call, this.write, this.hangUp, this.level),
      this.state, this.written, this.keys, this.said, this.legend,
    ];
  }

  async begin(withMicrophone) {
    this.busy(true);
    this.tries = 0;
    this.times = [];
    replace(this.said);
    this.tell("Opening the sound …");
    this.sound = new Sound();
    try {
      await this.sound.start();
    } catch (error) {
      this.tell(`This browser plays no sound here: ${error.message}`);
    }
    if (withMicrophone) {
      try {
        await this.sound.listen((frame, level) => this.heard(frame, level));
        this.level.hidden = false;
      } catch (error) {
        this.add("service", error.message, "fault");
        withMicrophone = false;
      }
    }
    if (!this.sound) return; // hung up meanwhile
    // A telephone line carries frames all the time; without a microphone they are silent.
    if (!withMicrophone) this.silence = setInterval(() => this.line && this.line.hear(SILENCE), 20);
    this.dial();
  }

  dial() {
    this.tell("Calling …");
    this.line = new Line(this.chosen(), {
      opened: () => {
        this.tries = 0;
        this.written.hidden = this.keys.hidden = false;
        this.tell("Connected. Speak when you like, also while the agent speaks.");
      },
      audio: (samples) => {
        this.received.frames++;
        for (const sample of samples) this.received.loudest = Math.max(this.received.loudest, Math.abs(sample));
        if (this.sound) this.sound.play(samples);
      },
      interruption: () => {
        if (this.sound) this.sound.drop();
        this.add("service", "The agent was interrupted.", "faint");
      },
      transcript: (role, text) => this.add(role === "user" ? "you" : "agent", text),
      turn: (times) => this.timed(times),
      tool: (tool) => this.add("tool", `${tool.name}, ${tool.took_ms} ms${tool.failed ? ", failed" : ""}`, "faint"),
      error: (text) => this.add("service", text, "fault"),
      closed: (why, lost) => this.closed(why, lost),
    });
  }

  chosen() {
    const facts = {};
    for (const fact of this.facts.value.trim().split(/\s+/)) {
      const [name, ...value] = fact.split("=");
      if (name && value.length) facts[name] = value.join("=");
    }
    if (this.agent.value.trim()) facts.agent = this.agent.value.trim();
    return facts;
  }

  heard(frame, level) {
    this.level.value = level;
    if (this.line) this.line.hear(frame);
  }

  send(event) {
    event.preventDefault();
    const text = this.text.value.trim();
    if (!text || !this.line) return;
    this.line.write(text);
    this.text.value = "";
  }

  press(key) {
    if (!this.line) return;
    this.line.press(key);
    this.add("you", `key ${key}`, "faint");
  }

  timed(times) {
    if (times.voice_to_voice_ms == null) return;
    const item = this.add("", `answered after ${times.voice_to_voice_ms} ms`, "faint times");
    this.times.push([item, times]);
    this.legend.hidden = false;
    const scale = Math.max(...this.times.map(([, other]) => other.voice_to_voice_ms));
    for (const [shown, other] of this.times) {
      shown.querySelector(".bar")?.remove();
      shown.append(bar(other, scale));
    }
  }

  closed(why, lost) {
    this.line = null;
    if (lost && this.sound && this.tries < AGAIN.length) {
      const wait = AGAIN[this.tries++];
      this.tell(`${why} Calling again in ${wait} s …`);
      this.again = setTimeout(() => this.dial(), 1000 * wait);
      return;
    }
    this.tell(why);
    this.stop();
  }

  // Ends the call, if there is one.
  end() {
    clearTimeout(this.again);
    if (this.line) this.line.hangUp();
    else if (this.sound) {
      this.tell("You hung up.");
      this.stop();
    }
  }

  stop() {
    clearInterval(this.silence);
    if (this.sound) this.sound.end();
    this.sound = null;
    this.busy(false);
  }

  busy(calling) {
    this.call.hidden = this.write.hidden = calling;
    this.hangUp.hidden = !calling;
    this.agent.disabled = this.facts.disabled = calling;
    if (!calling) this.level.hidden = this.written.hidden = this.keys.hidden = true;
    else this.hangUp.focus();
  }

  tell(text) {
    this.state.textContent = text;
  }

  add(who, text, kind = "") {
    const item = element("li", { class: kind }, element("span", { class: "who" }, who), element("span", {}, text));
    this.said.append(item);
    return item;
  }
}
