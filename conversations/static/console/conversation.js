// One conversation: its messages as they change, and what the operator does.
import { Answering, draw } from "./answering.js";
import { Attaching } from "./attaching.js";
import { keepDraft } from "./drafts.js";
import { Messages } from "./messages.js";
import { post, Refused } from "./posting.js";

const TYPING_MS = 4000; // how long a word about typing holds
const USER_TYPING_MS = 10_000; // likewise of a user's: as long as clients show it

export class Conversation {
  #typingUntil = 0; // others were told until then that we type
  #typingShown = null;

  constructor(pane, state, live, alerts) {
    this.state = state;
    this.live = live;
    this.alerts = alerts;
    this.url = pane.dataset.url;
    this.cursor = state.cursor;
    this.handoff = state.handoff;
    this.isResolved = state.is_resolved;
    this.tags = state.tags;
    this.rating = state.rating;
    this.standing = 0; // the number of its last change
    this.instruction = state.instruction; // what the robot was told when it was handed back last
    this.messages = new Messages(state);
    this.#connect();
    if (state.may_operate) {
      this.answering = new Answering(this);
      this.attaching = new Attaching(this, pane);
      keepDraft(this.text, `console.draft.${state.id}`, () => this.answering.way === "say/");
    }
    this.messages.take(state.events);
    this.#showEarlier(state.earlier);
    this.#showOwner();
    this.#showClosing();
    this.messages.toShown();
    this.#markRead();
  }

  get isYours() {
    return this.handoff?.is_taken === true && this.handoff.operator === this.state.user;
  }

  // Nobody has it: whoever begins to answer takes it over.
  get isFree() {
    return !this.handoff?.is_taken;
  }

  watch() {
    this.live.send({ type: "watch", conversation: this.state.id, after: this.cursor });
  }

  changed({ conversation, after, cursor, events }) {
    if (conversation !== this.state.id) return;
    const newest = this.messages.newest;
    this.messages.take(events);
    if (events.some(({ sender, id }) => sender === "user" && id > newest)) document.getElementById("typing").textContent = "";
    if (this.isYours && document.hidden && events.some(({ sender, id }) => sender === "user" && id > newest)) {
      this.alerts.tell(document.getElementById("notify").dataset.message);
    }
    for (const event of events) if (event.type === "handoff") this.#takeHandoff(event);
    for (const event of events) if (event.type === "conversation") this.#takeStanding(event);
    if (after > this.cursor) return this.watch(); // something came before it that we were not told
    this.cursor = Math.max(this.cursor, cursor);
    if (events.some(({ type }) => type === "message" || type === "note")) this.#markRead(true);
  }

  showPresence(names) {
    const others = names.filter((name) => name !== this.state.name);
    const place = document.getElementById("presence");
    place.textContent = others.length ? `${place.dataset.label} ${others.join(", ")}` : "";
  }

  showTyping({ conversation, name }) {
    if (conversation !== this.state.id || name === this.state.name) return;
    const place = document.getElementById("typing");
    place.textContent = `${name || this.state.peer} ${place.dataset.label}`;
    clearTimeout(this.#typingShown);
    this.#typingShown = setTimeout(() => (place.textContent = ""), name ? TYPING_MS : USER_TYPING_MS);
  }

  async toggleUser() {
    const panel = document.getElementById("panel");
    panel.hidden = !panel.hidden;
    document.getElementById("about").setAttribute("aria-expanded", !panel.hidden);
    await this.#fillPanel();
  }

  async #fillPanel() {
    const panel = document.getElementById("panel");
    if (!panel.hidden) panel.innerHTML = await (await fetch(`${this.url}user/`)).text();
  }

  takeOver() {
    if (this.takeOverButton && !this.takeOverButton.hidden) return this.#act("take-over/");
  }

  handBack() {
    if (this.handBackButton && !this.handBackButton.hidden) return this.#act("hand-back/");
  }

  resolve() {
    const rating = document.getElementById("asks-rating");
    if (!rating || this.menu.hidden) return;
    this.menu.open = false;
    return this.#act("resolve/", { asks_rating: rating.checked });
  }

  // Opens the menu at one of its forms.
  openMenu(field) {
    if (!this.menu || this.menu.hidden || field.form.hidden) return;
    this.menu.open = true;
    field.focus();
  }

  #connect() {
    const find = (id) => document.getElementById(id);
    [this.takeOverButton, this.handBackButton, this.text, this.sendButton, this.notice, this.earlier] = [
      "take-over", "hand-back", "text", "send", "notice", "earlier",
    ].map(find);
    this.takeOverButton?.addEventListener("click", () => this.takeOver());
    this.handBackButton?.addEventListener("click", () => this.handBack());
    this.menu = find("menu");
    this.#connectForm(find("assign"), "assign/");
    this.#connectForm(find("tag"), "tags/");
    find("resolve")?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.resolve();
    });
    this.#connectForm(find("instruct"), "hand-back/");
    this.earlier.addEventListener("click", () => this.#fetchEarlier());
    find("composer")?.addEventListener("submit", (event) => this.#send(event));
    this.text?.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#send(event);
    });
    this.text?.addEventListener("input", ({ isTrusted }) => {
      if (!isTrusted) return; // written by the page itself
      this.#takeOverByTyping();
      this.#tellTyping();
    });
    this.menu?.addEventListener("toggle", () => this.#fillTags());
    find("about").addEventListener("click", () => this.toggleUser());
    find("messages").addEventListener("toggle", (event) => this.messages.tellTurn(event.target, this.url), true);
    document.addEventListener("visibilitychange", () => this.#markRead());
  }

  #takeOverByTyping() {
    if (this.isYours || !this.isFree || this.wasRefused || this.answering.way !== "say/") return;
    this.taking ??= this.takeOver().finally(() => {
      this.taking = null;
      this.wasRefused = !this.isYours; // not asked again with every letter
    });
  }

  #tellTyping() {
    if (Date.now() < this.#typingUntil) return;
    this.#typingUntil = Date.now() + TYPING_MS / 2;
    this.live.send({ type: "typing" });
  }

  #takeHandoff(event) {
    if (this.handoff && event.change < this.handoff.change) return;
    this.handoff = event.is_open ? event : null;
    this.wasRefused = false;
    this.instruction = event.instruction;
    this.#showOwner();
  }

  #showOwner() {
    const { words, may_operate, may_supervise } = this.state;
    const owner = document.getElementById("owner");
    const isWaiting = this.handoff && !this.handoff.is_taken;
    owner.classList.toggle("need", Boolean(isWaiting));
    owner.textContent = !this.handoff
      ? words.with_robot
      : isWaiting
        ? `${words.waiting}: ${words.causes[this.handoff.cause]}`
        : this.isYours
          ? words.with_you
          : `${words.with} ${this.handoff.taken_by || words.causes[this.handoff.cause]}`;
    const told = document.getElementById("instruction");
    told.hidden = Boolean(this.handoff) || !this.instruction;
    told.textContent = `${words.told} ${this.instruction}`;
    if (!may_operate) return;
    this.takeOverButton.hidden = !this.isFree;
    const mayGive = Boolean(this.handoff) && (this.isYours || may_supervise || isWaiting);
    this.handBackButton.hidden = document.getElementById("instruct").hidden = !mayGive;
    document.getElementById("assign").hidden = !(mayGive || may_supervise);
    this.menu.hidden = document.getElementById("resolve").hidden = !(mayGive || may_supervise || !this.handoff);
    this.messages.list.classList.toggle("yours", this.isYours);
    this.answering.show();
    this.attaching.show();
  }

  // What the menu's forms say, with the move.
  #connectForm(form, move) {
    form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.menu.open = false;
      this.#act(move, Object.fromEntries(new FormData(form)));
      form.reset();
    });
  }

  // Somebody has resolved or tagged it, or the user has rated or opened it again.
  #takeStanding(event) {
    if (event.change < this.standing) return;
    this.standing = event.change;
    [this.isResolved, this.tags, this.rating] = [event.is_resolved, event.tags, event.rating];
    this.#showClosing();
    this.#fillPanel();
  }

  #showClosing() {
    document.getElementById("resolved").hidden = !this.isResolved;
    const tags = this.tags.map((name) => Object.assign(document.createElement("i"), { className: "tag", textContent: name }));
    document.getElementById("tags").replaceChildren(...tags);
    const rating = document.getElementById("rating");
    rating.hidden = this.rating === null;
    rating.textContent = this.state.words.rated.replace("%(score)s", this.rating);
    this.#fillTags();
  }

  // Not while somebody edits them.
  #fillTags() {
    const field = document.querySelector("#tag [name=tags]");
    if (field && !this.menu.open) field.value = this.tags.join(", ");
  }

  async #act(move, body = {}) {
    const answer = await this.post(move, body);
    if (!answer) return;
    this.tell("");
    if ("handoff" in answer) this.handoff = answer.handoff;
    if ("tags" in answer) [this.isResolved, this.tags, this.rating] = [answer.is_resolved, answer.tags, answer.rating];
    this.#showOwner();
    this.#showClosing();
    (this.isYours ? this.text : this.messages.scroll)?.focus(); // the button may be gone
  }

  async #send(event) {
    event.preventDefault();
    await this.taking;
    const text = this.text.value.trim();
    if (!text || this.text.disabled) return;
    this.#empty();
    const way = this.answering.way;
    const answer = way === "say/" ? await this.#say(text) : await this.post(way, { text });
    if (!answer) return void this.#restore(text);
    this.tell("");
    this.answering.done();
    this.said(answer, { isNew: !way.startsWith("messages/") });
  }

  // Show what the server has just taken.
  said(answer, { isNew = true } = {}) {
    if (this.state.until !== null) return void (location.search = "");
    this.messages.take([answer.message ?? answer.note]);
    if (isNew) this.messages.toEnd();
  }

  #empty() {
    this.text.value = "";
    this.text.dispatchEvent(new Event("input"));
  }

  #restore(text) {
    this.text.value ||= text;
    this.text.dispatchEvent(new Event("input"));
  }

  // Under the same id until the server has it: what is sent again is not said twice.
  async #say(text) {
    if (this.draft?.text !== text) this.draft = { text, id: draw() };
    const answer = await this.post("say/", this.draft);
    if (answer) this.draft = null;
    return answer;
  }

  // The answer; null when it was refused, which is then told.
  post(path, body = {}) {
    return this.trying(() => post(this.url + path, body));
  }

  async trying(act) {
    try {
      return await act();
    } catch (error) {
      this.tell(error instanceof Refused ? error.message : this.state.words.unreachable);
      return null;
    }
  }

  tell(words) {
    this.notice.textContent = words;
    this.notice.hidden = !words;
  }

  async #fetchEarlier() {
    const response = await fetch(`${this.url}messages/?before=${this.before}`);
    const page = await response.json();
    this.messages.keepingPlace(() => this.messages.take(page.events));
    this.#showEarlier(page.earlier);
  }

  #showEarlier(before) {
    this.before = before;
    this.earlier.hidden = before === null;
  }

  #markRead(isNews = false) {
    const newest = this.messages.newest;
    if (document.hidden || this.state.until !== null || !newest) return;
    if (newest === this.read && !isNews) return;
    this.read = newest;
    this.post("read/", { message: newest });
  }
}
