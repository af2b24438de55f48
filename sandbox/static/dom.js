// Building the page.  Text is only ever set as text: nobody's message becomes markup.

export const byId = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function avatar({ nickname, user_id: id, avatar_url: url }) {
  const letter = [...(nickname || id.replace(/^@RBT#/, "") || "?")][0].toUpperCase();
  const circle = make("span", { className: "avatar", textContent: letter, ariaHidden: "true" });
  if (isWebAddress(url)) {
    const picture = make("img", { src: url, alt: "" });
    picture.addEventListener("load", () => circle.replaceChildren(picture));
  }
  return circle;
}

export function groupMark(name) {
  return make("span", { className: "avatar group", textContent: [...name][0].toUpperCase(), ariaHidden: "true" });
}

/** Only these become addresses in the page: a message could hold javascript: too. */
export function isWebAddress(text) {
  return /^https?:\/\//i.test(text ?? "");
}

export const clock = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
