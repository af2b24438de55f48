// The call that is under way in the open conversation; what is said in it are messages like others.
import { post, Refused } from "./posting.js";

const LOOK_MS = 3000; // what the agent does changes from sentence to sentence

export class Call {
  constructor(url) {
    this.url = `${url}call/`;
    const find = (id) => document.getElementById(id);
    [this.bar, this.status, this.error, this.form] = ["call", "call-status", "call-error", "call-form"].map(find);
    this.form?.addEventListener("submit", (event) => this.#send(event));
    find("call-interrupt")?.addEventListener("click", () => this.#act("interrupt/"));
    document.addEventListener("visibilitychange", () => this.look());
    this.look();
  }

  // Words of a call, or a change of hands, tell that there may be one.
  changed(events) {
    if (this.bar.hidden && events.some((event) => event.kind === "call" || event.type === "handoff")) this.look();
  }

  async look() {
    clearTimeout(this.next);
    if (document.hidden) return;
    try {
      const { call } = await (await fetch(this.url)).json();
      this.#show(call);
    } catch {
      this.next = setTimeout(() => this.look(), LOOK_MS); // the link's state tells that the server is away
    }
  }

  #show(call) {
    this.bar.hidden = !call;
    if (!call) return;
    this.status.textContent = call.status;
    this.error.textContent = call.error;
    this.next = setTimeout(() => this.look(), LOOK_MS);
  }

  async #send(event) {
    event.preventDefault();
    const text = this.form.elements.text;
    if (await this.#act(`${event.submitter?.value ?? "say"}/`, { text: text.value })) text.value = "";
  }

  async #act(move, body = {}) {
    try {
      await post(this.url + move, body);
      this.error.textContent = "";
      return true;
    } catch (error) {
      this.error.textContent = error instanceof Refused ? error.message : String(error);
      return false;
    }
  }
}
