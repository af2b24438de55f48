// The WebSocket: opened again whenever it closes, with longer and longer pauses.
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 10_000;
const TURNED_AWAY = 4403; // logged out, or without the right to read

export class Live {
  #socket = null;
  #pause = FIRST_PAUSE_MS;
  #hearers = {};

  constructor(sign) {
    this.sign = sign;
    addEventListener("online", () => this.#socket?.readyState === WebSocket.CLOSED && this.connect());
  }

  on(type, hear) {
    (this.#hearers[type] ??= []).push(hear);
  }

  send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  connect() {
    this.#show(false);
    const address = new URL("/ws/console/", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    this.#socket = socket;
    let isIn = false;
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === "hello") {
        isIn = true;
        this.#pause = FIRST_PAUSE_MS;
        this.#show(true);
      }
      for (const hear of this.#hearers[frame.type] ?? []) hear(frame);
    });
    socket.addEventListener("close", ({ code }) => {
      this.#show(false);
      if (code === TURNED_AWAY) return location.reload();
      if (!isIn) reloadIfLoggedOut();
      setTimeout(() => socket === this.#socket && this.connect(), this.#pause);
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
    });
  }

  #show(isOn) {
    this.sign.classList.toggle("on", isOn);
    this.sign.textContent = isOn ? this.sign.dataset.on : this.sign.dataset.off;
  }
}

// A socket that is refused does not say why.
async function reloadIfLoggedOut() {
  const answer = await fetch("/console/list/", { redirect: "manual" }).catch(() => null);
  if (answer?.type === "opaqueredirect") location.reload();
}
