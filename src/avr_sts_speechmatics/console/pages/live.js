// Live: the calls in progress, by server-sent events.

import { ask } from "./api.js";
import { element, replace } from "./elements.js";
import { length, number } from "./texts.js";

const STATES = {
  arriving: "arriving",
  listening: "the caller has the floor",
  thinking: "thinking",
  speaking: "the agent speaks",
  interrupted: "interrupted",
  leaving: "ending",
};

export async function show(main) {
  await ask("/session"); // an event source cannot say that a token is needed
  const status = element("p", { class: "state", role: "status" }, "Connecting …");
  const list = element("ul", { class: "cards", "aria-label": "Calls in progress" });
  replace(main, element("h1", {}, "Calls in progress"), status, list);
  const calls = new Map();
  let words = true;

  const told = () => {
    const count = calls.size === 1 ? "1 call" : `${calls.size || "No"} calls`;
    status.textContent = `${count} in progress.${words ? "" : " Words are shown from HISTORY=transcripts on."}`;
  };
  const add = (call) => {
    const card = new Card(call);
    calls.set(call.key, card);
    list.append(card.element);
  };
  const source = new EventSource("/api/v1/live");
  const on = (kind, take) => source.addEventListener(kind, ({ data }) => { take(JSON.parse(data)); told(); });
  on("snapshot", (all) => {
    words = all.words;
    calls.clear();
    replace(list);
    all.calls.forEach(add);
  });
  on("began", add);
  for (const kind of ["state", "words", "tool", "key", "failure"]) {
    on(kind, (data) => calls.get(data.key)?.take(kind, data));
  }
  on("ended", ({ key, reason }) => {
    calls.get(key)?.over(reason);
    calls.delete(key);
  });
  source.onerror = () => { status.textContent = "The connection to the service is lost; trying again …"; };
  const clock = setInterval(() => calls.forEach((card) => card.tick()), 1000);
  return () => { source.close(); clearInterval(clock); };
}

class Card {
  constructor(call) {
    this.call = call;
    this.state = element("span", { class: "tag" });
    this.time = element("span", {});
    this.agent = element("span", {});
    this.caller = element("p", {});
    this.answer = element("p", {});
    this.news = element("p", { class: "faint" });
    this.end = element("button", { class: "end", onclick: () => this.order("hangup") }, "End the call");
    this.extension = element("input", { size: 8, placeholder: "600", "aria-label": "Extension", required: true });
    this.through = element("form", { class: "row", onsubmit: (event) => { event.preventDefault(); this.order("transfer", { extension: this.extension.value }); } },
      this.extension, element("button", {}, "Put through"));
    this.element = element("li", {},
      element("p", { class: "row" },
        element("a", { href: `#/call/${call.key}` }, number(call.caller_number)),
        element("span", { class: "faint" }, "to"), this.agent, this.state, this.time),
      this.caller, this.answer, this.news,
      element("div", { class: "row" }, this.end, this.through));
    this.draw();
  }

  take(kind, data) {
    if (kind === "state") {
      this.call.state = data.state;
      this.call.agent = data.agent || this.call.agent;
    } else if (kind === "words") this.call[data.speaker === "caller" ? "caller_says" : "agent_says"] = data;
    else if (kind === "tool") this.news.textContent = `tool ${data.name}, ${data.took_ms} ms${data.failed ? ", failed" : ""}`;
    else if (kind === "key") this.news.textContent = data.digit == null ? "a key was pressed" : `key ${data.digit}`;
    else if (kind === "failure") this.news.textContent = `${data.service}: ${data.error}`;
    this.draw();
  }

  draw() {
    this.state.textContent = STATES[this.call.state] || this.call.state;
    this.agent.textContent = this.call.agent;
    this.words(this.caller, "Caller", this.call.caller_says);
    this.words(this.answer, "Agent", this.call.agent_says);
    this.tick();
  }

  words(line, who, said) {
    line.hidden = !said;
    if (said) replace(line, element("strong", {}, `${who}: `), element("span", { class: said.final ? "" : "faint" }, said.text));
  }

  tick() {
    this.time.textContent = length((Date.now() - this.call.began_ms) / 1000);
  }

  over(reason) {
    this.element.classList.add("over");
    this.state.textContent = `over (${reason})`;
    this.end.disabled = true;
    this.through.hidden = true;
    setTimeout(() => this.element.remove(), 8000);
  }

  async order(what, body = {}) {
    try {
      await ask(`/calls/${this.call.key}/${what}`, { method: "POST", body: what === "hangup" ? undefined : body });
      this.news.textContent = what === "hangup" ? "The agent takes leave." : "The caller is put through.";
    } catch (error) {
      this.news.textContent = error.message;
    }
  }
}
