// Shows the page that the address names after #, and the sign-in where one is needed.

import { element, replace } from "./elements.js";

// Each page is a module with `show(main, parts)`, which may return a function that ends the page.
const PAGES = {
  talk: () => import("./talk.js"),
};

const FIRST = "talk";

let end = null;
let latest = 0;

async function go() {
  const shown = ++latest;
  const [name, ...parts] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const page = Object.hasOwn(PAGES, name) ? name : FIRST;
  const module = await PAGES[page]();
  if (shown !== latest) return; // another page was asked for meanwhile
  if (end) end();
  end = null;
  for (const link of document.querySelectorAll("nav a")) {
    const known = Object.hasOwn(PAGES, link.hash.slice(2));
    link.hidden = !known;
    if (link.hash === `#/${page}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const main = document.getElementById("page");
  replace(main);
  try {
    end = (await module.show(main, parts)) || null;
  } catch (error) {
    replace(main, element("p", { class: "fault", role: "alert" }, String(error.message || error)));
  }
  const title = main.querySelector("h1");
  document.title = `${title ? title.textContent : page} – avr-sts-speechmatics`;
}

addEventListener("hashchange", go);
go();
