// One call: its sound with both waveforms, what was said and heard, and how long each answer took.

import { ask } from "./api.js";
import { drawing, element, replace } from "./elements.js";
import { cost, ended, length, milliseconds, moment, number } from "./texts.js";
import { bar, legend, WAITS } from "./waits.js";

const LONGEST_DECODED = 1200; // seconds: the waveform of a longer call would need too much memory
const RATE = 8000;
const COLUMNS = 1000; // of the drawing

export async function show(main, [name]) {
  const call = await ask(`/calls/${encodeURIComponent(name)}`);
  const page = new CallPage(call);
  replace(main, ...page.elements());
  if (call.recording) page.drawSound();
  return () => page.end();
}

class CallPage {
  constructor(call) {
    this.call = call;
    this.seconds = Math.max(call.duration_s || 0, ...call.turns.map((turn) => (turn.until_ms || turn.at_ms) / 1000), 1);
    this.items = [];
    this.url = `/api/v1/calls/${call.key}/recording`;
  }

  elements() {
    const { call } = this;
    return [
      element("h1", {}, `Call of ${number(call.caller_number)}, ${moment(call.began_ms)}`),
      this.facts(),
      this.sound(),
      element("h2", {}, "What happened"),
      this.course(),
      legend(),
      this.result(),
      element("p", { class: "row" },
        call.recording && element("a", { href: this.url, download: "" }, "Download the recording"),
        element("a", { href: `/api/v1/calls/${call.key}`, download: `${call.key}.json` }, "All of it as JSON"),
        element("button", { onclick: (event) => this.copy(event.target) }, "Copy the link"),
        element("button", { class: "end", onclick: (event) => this.erase(event.target) }, "Delete the call")),
    ];
  }

  facts() {
    const { call } = this;
    const facts = [
      ["Agent", call.agent],
      ["Came by", call.transport],
      ["Called", call.called_number],
      ["Length", length(call.duration_s)],
      ["End", ended(call)],
      ["Turns", call.turns_of_caller ?? call.turns.filter((turn) => turn.speaker === "caller").length],
      ["Answers after", call.voice_to_voice_median_ms == null ? "–" : `${milliseconds(call.voice_to_voice_median_ms)} (median), ${milliseconds(call.voice_to_voice_worst_ms)} (slowest)`],
      ["Interruptions", call.interruptions],
      ["Failures", call.failures],
      ["Cost", cost(call)],
      ["uuid", call.uuid],
    ];
    const known = facts.filter(([, value]) => value != null && value !== "");
    return element("dl", { class: "facts" }, ...known.map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
  }

  // The player, with the timeline above it.
  sound() {
    this.marker = drawing("line", { class: "marker", x1: 0, x2: 0, y1: 0, y2: 100 });
    this.waves = drawing("g", {});
    const tracks = this.call.turns.map((turn) => {
      const until = turn.until_ms ?? turn.at_ms + 500;
      return drawing("rect", {
        class: `spoken ${turn.speaker}${turn.interrupted ? " cut" : ""}`,
        x: this.x(turn.at_ms / 1000),
        width: Math.max(1, this.x(until / 1000) - this.x(turn.at_ms / 1000)),
        y: turn.speaker === "caller" ? 2 : 52,
        height: 46,
      });
    });
    const timeline = drawing("svg", { class: "timeline", viewBox: `0 0 ${COLUMNS} 100`, preserveAspectRatio: "none", role: "img", "aria-label": "Time line: the caller above, the agent below" }, ...tracks, this.waves, this.marker);
    timeline.addEventListener("click", (event) => {
      const box = timeline.getBoundingClientRect();
      this.seek(((event.clientX - box.left) / box.width) * this.seconds);
    });
    if (!this.call.recording) {
      return element("div", {}, timeline, element("p", { class: "faint" }, "There is no recording: calls are recorded with HISTORY=recordings."));
    }
    this.audio = element("audio", { controls: true, preload: "metadata", src: this.url });
    this.audio.addEventListener("timeupdate", () => this.moved());
    this.audio.addEventListener("seeked", () => this.moved());
    return element("div", {}, timeline, this.audio);
  }

  x(seconds) {
    return (COLUMNS * seconds) / this.seconds;
  }

  // Draws both waveforms over the time line.
  async drawSound() {
    if (this.seconds > LONGEST_DECODED) return;
    try {
      const answer = await fetch(this.url);
      if (!answer.ok) throw new Error(`the service answered ${answer.status}`);
      const decoder = new OfflineAudioContext(2, 1, RATE);
      const sound = await decoder.decodeAudioData(await answer.arrayBuffer());
      const paths = [0, 1].map((side) =>
        drawing("path", { class: `wave ${side ? "agent" : "caller"}`, d: this.outline(sound, side) }));
      this.waves.replaceChildren(...paths);
    } catch (error) {
      this.audio.after(element("p", { class: "faint" }, `The waveform cannot be drawn: ${error.message}.`));
    }
  }

  // The loudest sample of each column, up and down from the middle of the side's half.
  outline(sound, side) {
    const samples = sound.getChannelData(Math.min(side, sound.numberOfChannels - 1));
    const middle = side ? 75 : 25;
    const step = (this.seconds * sound.sampleRate) / COLUMNS;
    const up = [];
    const down = [];
    for (let column = 0; column < COLUMNS; column++) {
      let most = 0;
      const until = Math.min(samples.length, Math.floor((column + 1) * step));
      for (let at = Math.floor(column * step); at < until; at++) most = Math.max(most, Math.abs(samples[at]));
      const height = Math.min(24, 40 * most);
      up.push(`${column},${(middle - height).toFixed(1)}`);
      down.unshift(`${column},${(middle + height).toFixed(1)}`);
    }
    return `M${up.join("L")}L${down.join("L")}Z`;
  }

  // Everything in the order in which it happened.
  course() {
    const { call } = this;
    const slowest = Math.max(1, ...call.turns.map((turn) => turn.voice_to_voice_ms || 0));
    const all = [
      ...call.turns.map((turn) => [turn.at_ms, () => this.turn(turn, slowest)]),
      ...call.tools.map((tool) => [tool.at_ms, () => this.tool(tool)]),
      ...call.events.map((event) => [event.at_ms, () => this.event(event)]),
    ].sort((one, other) => one[0] - other[0]);
    if (!all.length) return element("p", { class: "faint" }, "Nothing is kept of what happened.");
    return element("ol", { class: "talk" }, ...all.map(([, make]) => make()));
  }

  item(at_ms, who, ...parts) {
    const when = this.audio
      ? element("button", { class: "time", title: "Play from here", onclick: () => this.seek(at_ms / 1000, true) }, length(at_ms / 1000))
      : element("span", { class: "time" }, length(at_ms / 1000));
    return element("li", {}, element("span", { class: "who" }, when, " ", who), element("span", {}, ...parts));
  }

  turn(turn, slowest) {
    const words = turn.speaker === "agent" ? heardOf(turn) : [turn.said ?? "…"];
    const item = this.item(turn.at_ms, turn.speaker, ...words, turn.interrupted ? element("em", { class: "faint" }, " (interrupted)") : null);
    if (turn.voice_to_voice_ms != null) {
      const parts = WAITS.filter(([field]) => turn[field] != null).map(([field, name]) => `${name} ${turn[field]}`).join(" + ");
      item.append(
        element("span", { class: "times faint" }, `answered after ${turn.voice_to_voice_ms} ms: ${parts}`),
        bar(turn, slowest));
    }
    this.items.push([turn.at_ms / 1000, (turn.until_ms ?? turn.at_ms + 1000) / 1000, item]);
    return item;
  }

  tool(tool) {
    const details = [`${tool.name}, ${milliseconds(tool.took_ms)}${tool.failed ? ", failed" : ""}`];
    const kept = [tool.arguments && JSON.stringify(tool.arguments), tool.result].filter(Boolean);
    return this.item(tool.at_ms, "tool", ...details, ...kept.map((text) => element("pre", {}, text)));
  }

  event(event) {
    const details = Object.entries(event.details || {}).map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
    return this.item(event.at_ms, event.kind, details.join(", "));
  }

  result() {
    if (!this.call.outcome) return null;
    return element("div", {}, element("h2", {}, "Outcome"),
      element("dl", { class: "facts" }, ...Object.entries(this.call.outcome).map(([name, value]) =>
        element("div", {}, element("dt", {}, name), element("dd", {}, typeof value === "string" ? value : JSON.stringify(value))))));
  }

  seek(seconds, play = false) {
    if (!this.audio) return;
    this.audio.currentTime = seconds;
    if (play) this.audio.play();
  }

  moved() {
    const now = this.audio.currentTime;
    this.marker.setAttribute("x1", this.x(now));
    this.marker.setAttribute("x2", this.x(now));
    for (const [from, until, item] of this.items) {
      item.classList.toggle("now", from <= now && now < until);
    }
  }

  async copy(button) {
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Copied";
    } catch {
      button.textContent = location.href;
    }
  }

  async erase(button) {
    if (button.dataset.sure === undefined) {
      button.dataset.sure = "";
      button.textContent = "Delete it for good?";
      return;
    }
    try {
      await ask(`/calls/${this.call.key}`, { method: "DELETE" });
      location.hash = "#/calls";
    } catch (error) {
      button.textContent = error.message;
    }
  }

  end() {
    if (this.audio) this.audio.pause();
  }
}

// What the agent said, with the words that the caller did not hear marked.
function heardOf({ said, heard, words_said, words_heard }) {
  if (said == null) return [words_said == null ? "…" : `${words_heard ?? 0} of ${words_said} words were heard`];
  if (heard == null || heard === said) return [said];
  const rest = said.startsWith(heard) ? said.slice(heard.length) : said;
  return [
    said.startsWith(heard) ? heard : "",
    element("del", { title: "The caller did not hear this" }, rest),
  ];
}
