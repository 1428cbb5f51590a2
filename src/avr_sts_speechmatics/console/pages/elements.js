// Makes elements of the page. Texts are always texts: nothing a caller says becomes markup.

// element("p", { class: "fault", onclick: f }, "text", child) - attributes by name; what begins
// with "on" is an event listener, true and false set and leave out an attribute.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

// Puts `children` in place of all that is in `parent`.
export function replace(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child != null));
}

const SVG = "http://www.w3.org/2000/svg";

// An element of a drawing.
export function drawing(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
