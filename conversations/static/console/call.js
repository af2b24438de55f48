// The call that is under way in the open conversation; what is said in it are messages like others.
import { post, Refused } from "./posting.js";

const LOOK_MS = 3000; // what the agent does changes from sentence to sentence
const IDLE_LOOK_MS = 15000; // nobody tells that a call begins until something is said in it

export class Call {
  problem = ""; // of the call
  refusal = ""; // of what was done last here

  constructor(url) {
    this.url = `${url}call/`;
    const find = (id) => document.getElementById(id);
    [this.bar, this.status, this.error, this.form] = ["call", "call-status", "call-error", "call-form"].map(find);
    this.form?.addEventListener("submit", (event) => this.#send(event));
    this.moves = find("call-moves");
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
    this.next = setTimeout(() => this.look(), call ? LOOK_MS : IDLE_LOOK_MS);
    this.bar.hidden = !call;
    if (!call) return void (this.refusal = "");
    this.status.textContent = call.status;
    this.problem = call.error;
    if (this.moves) this.moves.disabled = !call.is_running;
    this.#tellErrors();
  }

  #tellErrors() {
    this.error.textContent = this.refusal || this.problem;
  }

  async #send(event) {
    event.preventDefault();
    const text = this.form.elements.text;
    if (await this.#act(`${event.submitter?.value ?? "say"}/`, { text: text.value })) text.value = "";
  }

  async #act(move, body = {}) {
    try {
      await post(this.url + move, body);
      this.refusal = "";
      return true;
    } catch (error) {
      this.refusal = error instanceof Refused ? error.message : String(error);
      return false;
    } finally {
      this.#tellErrors();
    }
  }
}
