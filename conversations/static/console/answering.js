// The text box: answers, notes, changes of a message; canned replies and suggestions for it.
export class Answering {
  #way = "say/"; // where the text goes: an answer, a note, or a message that is changed
  #replies = null; // the canned ones, fetched when first needed

  constructor(conversation) {
    this.conversation = conversation;
    const find = (id) => document.getElementById(id);
    [this.text, this.send, this.canned, this.note, this.suggestButton, this.cancel] = [
      "text", "send", "canned", "note", "suggest", "cancel",
    ].map(find);
    this.note.addEventListener("click", () => this.toggleNote());
    this.cancel.addEventListener("click", () => this.done());
    this.suggestButton.addEventListener("click", () => this.suggest());
    this.text.addEventListener("input", () => this.#offer());
    // Ahead of the form's own, which sends on Enter.
    this.text.addEventListener("keydown", (event) => this.#choose(event), { capture: true });
    this.canned.addEventListener("mousedown", (event) => this.#take(event));
    find("messages").addEventListener("click", (event) => this.#act(event));
  }

  get way() {
    return this.#way;
  }

  get #isNote() {
    return this.#way === "note/";
  }

  show() {
    const { isYours, isFree, state } = this.conversation;
    const { words } = state;
    this.text.disabled = this.send.disabled = !isYours && !isFree && !this.#isNote;
    this.suggestButton.disabled = !isYours;
    const { yours, free, others } = this.text.dataset;
    this.text.placeholder = this.#isNote ? words.note_text : isYours ? yours : isFree ? free : others;
    this.note.setAttribute("aria-pressed", this.#isNote);
    this.cancel.hidden = this.#way === "say/";
    this.text.form.dataset.way = this.#isNote ? "note" : this.#way === "say/" ? "say" : "edit";
  }

  // Back to answering.
  done() {
    if (this.text.form.dataset.way === "edit") this.text.value = "";
    this.#go("say/");
  }

  toggleNote() {
    this.#go(this.#isNote ? "say/" : "note/");
    this.text.focus();
  }

  async suggest() {
    if (this.suggestButton.disabled) return;
    this.suggestButton.disabled = true;
    this.suggestButton.setAttribute("aria-busy", "true");
    const answer = await this.conversation.post("suggest/");
    this.suggestButton.removeAttribute("aria-busy");
    this.show();
    if (!answer) return;
    this.conversation.tell("");
    this.#write([this.text.value.trim(), answer.text].filter(Boolean).join("\n"));
    this.text.focus();
  }

  #go(way) {
    this.#way = way;
    this.show();
  }

  async #act(event) {
    const button = event.target.closest("[data-act]");
    if (!button) return;
    const { act, message } = button.dataset;
    if (act === "edit") {
      this.#go(`messages/${message}/edit/`);
      this.text.value = this.conversation.messages.textOf(Number(message));
      return this.text.focus();
    }
    const answer = await this.conversation.post(`messages/${message}/${act}/`);
    if (!answer) return;
    this.conversation.tell("");
    this.conversation.messages.take([answer.message]);
  }

  // A slash at the beginning asks for canned replies.
  async #offer() {
    const asked = /^\/(\S*)$/.exec(this.text.value);
    if (!asked) return void (this.canned.hidden = true);
    this.#replies ??= (await (await fetch(`${this.conversation.url}canned/`)).json()).replies;
    const matching = this.#replies.filter(({ shortcut }) => shortcut.startsWith(asked[1].toLowerCase()));
    this.canned.replaceChildren(...matching.slice(0, 8).map((reply, index) => option(reply, index === 0)));
    this.canned.hidden = !matching.length || !this.text.value.startsWith("/");
  }

  #choose(event) {
    if (this.canned.hidden) return;
    const options = [...this.canned.children];
    const at = options.findIndex((each) => each.ariaSelected === "true");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      options[at].ariaSelected = "false";
      options[(at + step + options.length) % options.length].ariaSelected = "true";
    } else if (event.key === "Enter" || event.key === "Tab") this.#put(options[at]);
    else if (event.key === "Escape") this.canned.hidden = true;
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  #take(event) {
    event.preventDefault(); // the text box keeps the focus
    const chosen = event.target.closest("[role=option]");
    if (chosen) this.#put(chosen);
  }

  #put(chosen) {
    this.#write(chosen.dataset.text);
    this.canned.hidden = true;
  }

  #write(text) {
    this.text.value = text;
    this.text.dispatchEvent(new Event("input"));
  }
}

// An id for what is said, as the server draws them: 16 characters.
export function draw() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

function option({ shortcut, text }, isFirst) {
  const element = Object.assign(document.createElement("li"), { role: "option", ariaSelected: String(isFirst) });
  element.dataset.text = text;
  element.append(Object.assign(document.createElement("b"), { textContent: `/${shortcut}` }), ` ${text}`);
  return element;
}
