// Shows the page that the address names after #, and the sign-in where one is needed.

import { TokenNeeded, signIn } from "./api.js";
import { element, replace } from "./elements.js";

// Each page is a module with `show(main, parts, query)`, which may return a function that ends it.
const PAGES = {
  talk: () => import("./talk.js"),
  live: () => import("./live.js"),
  calls: () => import("./calls.js"),
  call: () => import("./call.js"),
  service: () => import("./service.js"),
};

const FIRST = "talk";

let end = null;
let latest = 0;

async function go() {
  const turn = ++latest;
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [name, ...parts] = path.split("/").map(decodeURIComponent);
  const page = Object.hasOwn(PAGES, name) ? name : FIRST;
  const module = await PAGES[page]();
  if (turn !== latest) return; // another page was asked for meanwhile
  if (end) end();
  end = null;
  for (const link of document.querySelectorAll("nav a")) {
    const open = link.hash === `#/${page}` || (page === "call" && link.hash === "#/calls");
    if (open) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const main = document.getElementById("page");
  replace(main, element("p", { class: "faint" }, "Loading …"));
  try {
    const ended = (await module.show(main, parts, new URLSearchParams(query))) || null;
    if (turn === latest) end = ended;
    else if (ended) ended();
  } catch (error) {
    if (turn !== latest) return;
    if (error instanceof TokenNeeded) askForToken(main);
    else replace(main, element("p", { class: "fault", role: "alert" }, error.message || String(error)));
  }
  const title = main.querySelector("h1");
  document.title = `${title ? title.textContent : page} – avr-sts-speechmatics`;
}

function askForToken(main) {
  const token = element("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
  const why = element("p", { class: "fault", role: "alert" });
  const enter = async (event) => {
    event.preventDefault();
    try {
      await signIn(token.value);
      go();
    } catch (error) {
      why.textContent = error.message;
      token.select();
    }
  };
  replace(main,
    element("h1", {}, "Sign in"),
    element("p", {}, "This service asks for one of its tokens (CONSOLE_TOKEN)."),
    element("form", { class: "row", onsubmit: enter },
      element("label", { class: "wide", for: "token" }, "Token", element("br"), token),
      element("button", { class: "main" }, "Sign in")),
    why);
  token.focus();
}

addEventListener("hashchange", go);
go();
