// Pictures and files that the operator chooses, pastes or drops: sent one after the other.
import { draw } from "./answering.js";
import { upload } from "./posting.js";

export class Attaching {
  #ids = new Map(); // of files whose sending was not answered, so that none is said twice
  #queue = Promise.resolve();

  constructor(conversation, pane) {
    this.conversation = conversation;
    this.settings = conversation.state.attach;
    [this.button, this.chooser, this.text] = ["attach", "file", "text"].map((id) => document.getElementById(id));
    this.button.addEventListener("click", () => this.choose());
    this.chooser.addEventListener("change", () => {
      this.#take(this.chooser.files);
      this.chooser.value = ""; // or the same file could not be chosen again
    });
    this.text.addEventListener("paste", (event) => this.#takeFrom(event, event.clipboardData));
    pane.addEventListener("dragover", (event) => this.#mark(event, pane));
    for (const end of ["dragleave", "drop"]) pane.addEventListener(end, () => delete pane.dataset.dropping);
    pane.addEventListener("drop", (event) => this.#takeFrom(event, event.dataTransfer));
  }

  show() {
    this.button.disabled = Boolean(this.settings.reason) || !this.conversation.isYours;
  }

  choose() {
    if (!this.button.disabled) this.chooser.click();
  }

  #mark(event, pane) {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault(); // the browser would open the file
    pane.dataset.dropping = "";
  }

  // Words that are pasted go into the text box, as ever.
  #takeFrom(event, data) {
    if (!data.files.length) return;
    event.preventDefault();
    this.#take(data.files);
  }

  #take(files) {
    const { conversation, settings, text } = this;
    if (settings.reason) return conversation.tell(settings.reason);
    if (!conversation.isYours) return conversation.tell(text.dataset.free);
    for (const file of [...files]) this.#queue = this.#queue.then(() => this.#send(file));
  }

  async #send(file) {
    const { conversation, settings } = this;
    if (file.size > settings.max_bytes) return conversation.tell(`${file.name}: ${settings.too_large}`);
    const name = [file.name, file.size, file.lastModified].join("/");
    if (!this.#ids.has(name)) this.#ids.set(name, draw());
    this.button.setAttribute("aria-busy", "true");
    const answer = await conversation.trying(() => upload(`${conversation.url}file/`, file, this.#ids.get(name)));
    this.button.removeAttribute("aria-busy");
    if (!answer) return;
    this.#ids.delete(name);
    conversation.tell("");
    conversation.said(answer);
  }
}
