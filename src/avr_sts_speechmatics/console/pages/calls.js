// Calls: what is kept, with search, filters, pages and CSV.

import { ask, withQuery } from "./api.js";
import { element, replace } from "./elements.js";
import { cost, ended, length, milliseconds, moment, number } from "./texts.js";

const FIELDS = [
  ["q", "Search", { type: "search", placeholder: "number, uuid, agent, outcome" }],
  ["since", "From", { type: "date" }],
  ["until", "To", { type: "date" }],
  ["number", "Number", { placeholder: "or its last digits", size: 14 }],
  ["agent", "Agent", { size: 12 }],
  ["outcome", "Outcome", { placeholder: "booked=yes", size: 12 }],
  ["slow_ms", "Slower than (ms)", { type: "number", min: 0, max: 3600000, step: 100 }],
];

export async function show(main, parts, query) {
  const wanted = Object.fromEntries(query);
  const { before, ...filters } = wanted;
  const form = element("form", { class: "row", role: "search", onsubmit: (event) => {
    event.preventDefault();
    const given = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
    location.hash = withQuery("#/calls", given);
  } });
  for (const [name, title, attributes] of FIELDS) {
    form.append(element("label", {}, title, element("br"),
      element("input", { ...attributes, name, value: wanted[name] ?? "", autocomplete: "off" })));
  }
  form.append(
    element("label", {}, element("input", { type: "checkbox", name: "failed", value: "true", checked: wanted.failed === "true" }), " failed"),
    element("button", { class: "main" }, "Search"),
    element("a", { href: "#/calls" }, "All calls"),
  );
  const found = await ask(withQuery("/calls", wanted));
  const rows = found.calls.map(row);
  const older = found.next && element("a", { href: withQuery("#/calls", { ...filters, before: found.next }) }, "Older calls");
  const newest = before && element("a", { href: withQuery("#/calls", filters) }, "Newest calls");
  replace(main,
    element("h1", {}, "Calls"),
    form,
    rows.length
      ? element("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": "The calls" },
          element("table", {},
            element("thead", {}, element("tr", {}, ...["Began", "Caller", "Agent", "Length", "Turns", "Slowest answer", "Cost", "End"].map((name) => element("th", { scope: "col" }, name)))),
            element("tbody", {}, ...rows)))
      : element("p", {}, Object.keys(wanted).length ? "No call is like that." : "No call yet. Talk to the agent, and it stands here."),
    element("p", { class: "row" }, newest || null, older || null,
      element("a", { href: withQuery("/api/v1/calls", { ...filters, format: "csv" }), download: "calls.csv" }, "As CSV")),
  );
}

function row(call) {
  const failed = call.failures > 0 || call.reason === "failure" || call.reason === "lost";
  return element("tr", { class: failed ? "failed" : "" },
    element("td", {}, element("a", { href: `#/call/${call.key}` }, moment(call.began_ms))),
    element("td", {}, number(call.caller_number)),
    element("td", {}, call.agent),
    element("td", {}, length(call.duration_s)),
    element("td", {}, call.turns ?? "–"),
    element("td", {}, milliseconds(call.voice_to_voice_worst_ms)),
    element("td", {}, cost(call)),
    element("td", {}, ended(call)),
  );
}
