// The parts of the wait for an answer, as a bar with a text beside it.

import { element } from "./elements.js";

// Each part is counted from the end of the one before.
export const WAITS = [
  ["confirm_ms", "confirm", "until the caller's turn is certainly over"],
  ["model_ms", "model", "until the model's first word"],
  ["clause_ms", "clause", "until the first piece that can be spoken"],
  ["voice_ms", "voice", "until the voice's first audio"],
  ["frame_ms", "frame", "until the first audio leaves for the caller"],
];

// The bar of one answer. times: the fields of a turn (ms). scale: ms for the whole width.
export function bar(times, scale) {
  const parts = WAITS.filter(([field]) => times[field] > 0);
  const words = parts.map(([field, name]) => `${name} ${times[field]} ms`).join(", ");
  const strips = parts.map(([field, name]) => {
    const strip = element("span", { class: `wait ${name}` });
    strip.style.setProperty("--share", String(times[field] / scale));
    return strip;
  });
  return element("span", { class: "bar", role: "img", "aria-label": words, title: words }, ...strips);
}

// What the colours of bars mean.
export function legend() {
  const entries = WAITS.map(([, name, about]) =>
    element("li", { title: about }, element("span", { class: `wait ${name}` }), `${name}: ${about}`),
  );
  return element("ul", { class: "legend" }, ...entries);
}
