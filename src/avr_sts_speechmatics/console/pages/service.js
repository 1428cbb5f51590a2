// Service: its state, its versions and warnings, and every setting with where it comes from.

import { ask } from "./api.js";
import { element, replace } from "./elements.js";
import { length } from "./texts.js";

export async function show(main) {
  const { health, settings, history } = await ask("/service");
  const states = Object.entries(health.service_states || {});
  const facts = [
    ["Status", health.status],
    ["Ready", health.ready ? "yes" : "no"],
    ["Engine", health.engine],
    ["Version", health.version],
    ["Running for", length(health.uptime_s)],
    ["Calls", health.calls],
    ["Calls refused", health.calls_refused],
    ["Kept of calls", history],
    ...Object.entries(health.services || {}).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
    ...Object.entries(health.versions || {}).map(([name, value]) => [name, value]),
  ].filter(([, value]) => value != null);
  const onlySet = element("input", { type: "checkbox", id: "set", checked: true, onchange: () => draw() });
  const table = element("tbody");
  const draw = () => {
    const shown = settings.filter(({ source }) => !onlySet.checked || source !== "default");
    replace(table, ...shown.map(row));
    if (!shown.length) table.append(element("tr", {}, element("td", { colspan: 3 }, "Nothing is set: all settings have their defaults.")));
  };
  draw();
  replace(main,
    element("h1", {}, "Service"),
    element("dl", { class: "facts" }, ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value))))),
    ...(health.warnings?.length ? [element("h2", {}, "Warnings"), element("ul", {}, ...health.warnings.map((text) => element("li", {}, text)))] : []),
    ...(states.length ? [element("h2", {}, "What it uses"), element("ul", {}, ...states.map(([name, state]) => element("li", { class: state.state === "failed" ? "fault" : "" }, `${name}: ${state.state}${state.error ? ` (${state.error})` : ""}`)))] : []),
    element("h2", {}, "Settings"),
    element("p", {}, element("label", { for: "set" }, onlySet, " only those that are set")),
    element("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": "The settings" },
      element("table", {},
        element("thead", {}, element("tr", {}, ...["Setting", "Value", "From"].map((name) => element("th", { scope: "col" }, name)))),
        table)),
  );
}

function row(setting) {
  const value = setting.private && setting.source !== "default" ? "set, not shown" : setting.value ?? setting.default ?? "";
  const from = setting.variable && setting.variable !== setting.name ? `${setting.source} (${setting.variable})` : setting.source;
  return element("tr", { title: setting.about },
    element("th", { scope: "row" }, setting.name),
    element("td", { class: setting.source === "default" ? "faint" : "" }, value),
    element("td", {}, from));
}
