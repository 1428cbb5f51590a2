// Times, lengths, money and reasons in words.

const ENDS = {
  caller: "the caller hung up",
  agent: "the agent hung up",
  transfer: "transferred",
  silence: "the caller was silent for too long",
  longest_call: "the longest time of a call was reached",
  audio_over: "the caller's audio was over",
  failure: "failure",
  shutdown: "the service ended",
  operator: "ended by an operator",
  lost: "lost: the process was killed",
};

export function ended(call) {
  if (call.running) return "running";
  const why = ENDS[call.reason] || call.reason || "not known";
  const to = call.transferred_to ? ` to ${call.transferred_to}` : "";
  return why + to + (call.error ? `: ${call.error}` : "");
}

// A moment in the time zone of the browser.
export function moment(ms) {
  return new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

// A length as minutes and seconds. s: seconds.
export function length(s) {
  if (s == null) return "–";
  const whole = Math.max(0, Math.round(s));
  const minutes = Math.floor(whole / 60);
  return `${minutes}:${String(whole % 60).padStart(2, "0")}`;
}

export function milliseconds(ms) {
  return ms == null ? "–" : `${ms} ms`;
}

export function cost(call) {
  return call.cost == null ? "–" : `${call.cost.toFixed(4)} ${call.currency || ""}`.trim();
}

export function number(value) {
  return value || "unknown";
}
