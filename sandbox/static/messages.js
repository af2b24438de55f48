// The conversation as a client of the app shows it.

import { clock, isWebAddress, make } from "./dom.js";

const TYPING_MS = 700; // in which new text is typed out; frames come a second apart
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Conversation {
  /** `nameOf` gives the name that stands over others' messages; "" where there is but one other. */
  constructor(log, me, nameOf) {
    this.log = log;
    this.me = me;
    this.nameOf = nameOf;
    this.views = new Map();
    log.replaceChildren();
  }

  /** Show a message, or what became of it.  `isOld` ones appear at once. */
  show(message, { isOld = false } = {}) {
    this.log.querySelector(".empty")?.remove();
    const isAtEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 60;
    let view = this.views.get(message.key);
    const followEnd = () => isAtEnd && this.scrollToEnd();
    if (!view) {
      const isMine = message.from === this.me;
      view = new MessageView(isMine, isMine ? "" : this.nameOf(message.from));
      this.views.set(message.key, view);
      this.log.append(view.element);
    }
    view.update(message, { isOld, onGrow: followEnd });
    view.element.querySelector("img")?.addEventListener("load", followEnd);
    if (isAtEnd || isOld || message.from === this.me) this.scrollToEnd();
  }

  scrollToEnd() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  showEmpty(text) {
    this.log.replaceChildren(make("p", { className: "empty", textContent: text }));
  }
}

class MessageView {
  constructor(isMine, author) {
    this.bubble = make("div", { className: "bubble" });
    this.meta = make("p", { className: "meta" });
    this.element = make("article", { className: isMine ? "message mine" : "message" }, this.bubble, this.meta);
    if (author) this.element.prepend(make("p", { className: "author", textContent: author }));
    this.typed = "";
  }

  update(message, { isOld, onGrow }) {
    cancelAnimationFrame(this.typing);
    this.element.dataset.key = message.key;
    this.element.dataset.state = message.is_finished ? "finished" : "growing";
    this.meta.textContent = describe(message);
    if (message.kind === "interrupt") return this.showAside("You asked the robot to stop");
    const kind = message.is_recalled ? "recalled" : message.kind;
    this.bubble.className = `bubble ${kind}`;
    const shown = (SHOWN[kind] ?? plain)(message);
    if (typeof shown !== "string") {
      this.bubble.classList.toggle("media", kind === "image" || kind === "voice");
      this.bubble.replaceChildren(shown);
    } else if (!shown && !message.is_finished) {
      this.typed = "";
      this.bubble.replaceChildren(dots());
    } else {
      this.bubble.classList.toggle("growing", !message.is_finished);
      this.type(shown, isOld || kind !== "reply", onGrow);
    }
  }

  /** Type out what is new, as clients do; what does not continue the old text replaces it. */
  type(text, isAtOnce, onGrow) {
    if (isAtOnce || calm.matches || document.hidden || !text.startsWith(this.typed)) {
      this.typed = text;
      this.bubble.textContent = text;
      return;
    }
    const from = this.typed.length;
    const begun = performance.now();
    const step = (now) => {
      const share = Math.min(1, (now - begun) / TYPING_MS);
      this.typed = text.slice(0, from + Math.ceil((text.length - from) * Math.max(0, share)));
      this.bubble.textContent = this.typed;
      onGrow();
      if (share < 1) this.typing = requestAnimationFrame(step);
    };
    this.typing = requestAnimationFrame(step);
  }

  showAside(text) {
    this.element.className = "aside";
    this.element.textContent = text;
  }
}

function describe(message) {
  if (message.kind !== "reply") return clock(message.sent_at);
  const frames = message.frames.length;
  const seconds = message.frames.at(-1).at - message.sent_at;
  const growth = `${frames} ${frames === 1 ? "frame" : "frames"} in ${seconds.toFixed(1)} s`;
  return `${clock(message.sent_at)} · ${growth}${message.is_finished ? "" : " …"}`;
}

const plain = (message) => message.text;

const SHOWN = {
  recalled: () => "This message was recalled",
  image: (message) => (isWebAddress(message.url) ? make("img", { src: message.url, alt: "Picture" }) : "[picture]"),
  voice: (message) =>
    isWebAddress(message.url)
      ? make("audio", { src: message.url, controls: true, preload: "none", title: `Voice message, ${message.text}` })
      : "[voice message]",
  video: (message) => link(message, "Video"),
  file: (message) => link(message, message.name || "File"),
};

function link(message, name) {
  if (!isWebAddress(message.url)) return name;
  const address = { href: message.url, target: "_blank", rel: "noopener noreferrer", className: "file" };
  return make("a", { ...address, textContent: name });
}

function dots() {
  const indicator = make("span", { className: "typing", role: "img", ariaLabel: "is typing" });
  indicator.append(make("i"), make("i"), make("i"));
  return indicator;
}
